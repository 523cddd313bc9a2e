/** `x-bake` below `build`: fields of bake that compose files have no word for. */
import type { Entry, EntryField, FieldName, Fields, FieldValue } from './bake-target.js';
import { FIELDS } from './bake-target.js';
import { composePairs, composeSwitch, composeTexts, members } from './compose-values.js';
import type { ComposeNode } from './compose-yaml.js';
import { composeError } from './compose-yaml.js';
import { mergeFields } from './merge-fields.js';

const KNOWN: readonly FieldName[] = [
  ...(['tags', 'cache-from', 'cache-to', 'secret', 'ssh', 'platforms', 'output'] as const),
  ...(['pull', 'no-cache', 'no-cache-filter', 'contexts'] as const),
];

type ReadEntries = (node: ComposeNode, field: EntryField, texts: readonly string[]) => Entry[];

/** A string alone may be several words. */
function words(node: ComposeNode, name: string): string[] {
  if (typeof node.content === 'string') return node.content.split(/\s+/).filter(Boolean);
  return composeTexts(node, name);
}

function readValue(name: FieldName, node: ComposeNode, entries: ReadEntries): FieldValue {
  switch (FIELDS[name].kind) {
    case 'switch':
      return composeSwitch(node, name) ?? false;
    case 'words':
      return composePairs(node, name);
    case 'entries':
      return entries(node, name as EntryField, words(node, name));
    default:
      return words(node, name);
  }
}

/** The fields with those of x-bake: lists get longer. @throws BakeFileError */
export function extendsBake(
  fields: Fields,
  extension: ComposeNode | undefined,
  entries: ReadEntries,
): Fields {
  let made = fields;
  for (const [key, node] of members(extension, 'x-bake')) {
    const name = KNOWN.find((each) => each === key);
    if (name === undefined) throw composeError(`x-bake has no ${key}`, node, KNOWN.join(', '));
    const value = readValue(name, node, entries);
    const before = made[name];
    const isList = Array.isArray(value) && Array.isArray(before);
    const set = { [name]: isList ? [...before, ...value] : value } as Fields;
    made = isList ? { ...made, ...set } : mergeFields(made, set);
  }
  return made;
}
