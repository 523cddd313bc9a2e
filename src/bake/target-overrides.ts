/** `--set TARGET.FIELD[.NAME]=VALUE` and the options that are short for it. */
import { matchPath } from '../fs/select/gomatch.js';
import { UsageError } from '../util/errors.js';
import { suggest } from '../util/suggest.js';
import type {
  Entry,
  EntryField,
  FieldName,
  Fields,
  FieldValue,
  WrittenTarget,
} from './bake-target.js';
import { FIELD_NAMES, FIELDS } from './bake-target.js';
import { decodeField } from './decode-fields.js';
import { FieldError, parseEntry } from './field-entries.js';
import { mergeFields } from './merge-fields.js';

/** One --set, understood. */
export interface Override {
  readonly field: FieldName | 'push' | 'load';
  /** The name in args, labels, contexts. */
  readonly key: string | undefined;
  /** Undefined: there is nothing to set (`args.X` of a variable that is not there). */
  readonly value: string | undefined;
  /** `+=`: added to what is there. */
  readonly adds: boolean;
  /** As it was given, for messages. */
  readonly text: string;
}

/** By the names of targets. */
export type Overrides = ReadonlyMap<string, readonly Override[]>;

const SET_NAMES: ReadonlyMap<string, Override['field']> = new Map<string, Override['field']>([
  ...FIELD_NAMES.filter((name) => name !== 'description').map((name): [string, FieldName] => {
    const field = FIELDS[name];
    return ['set' in field ? field.set : name, name];
  }),
  // Both numbers are taken, as people remember one of them.
  ['platforms', 'platforms'],
  ['secret', 'secret'],
  ['push', 'push'],
  ['load', 'load'],
]);

const HINT = 'write TARGET.FIELD=VALUE, such as --set app.platform=linux/arm64';

function parseOverride(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): Override & { readonly pattern: string } {
  const equals = text.indexOf('=');
  const left = equals === -1 ? text : text.slice(0, equals);
  const adds = left.endsWith('+');
  const [pattern = '', name = '', ...rest] = (adds ? left.slice(0, -1) : left).split('.');
  const refuse = (problem: string, hint = HINT): never => {
    throw new UsageError(`--set ${text}: ${problem}`, { hint });
  };
  if (pattern === '' || name === '') return refuse('not understood');
  const field = SET_NAMES.get(name);
  if (field === undefined) {
    const near = suggest(name, SET_NAMES.keys());
    const hint = near === undefined ? [...SET_NAMES.keys()].join(', ') : `did you mean ${near}?`;
    return refuse(`a target has no ${name} that can be set`, hint);
  }
  const key = rest.length > 0 ? rest.join('.') : undefined;
  const isNamed = field !== 'push' && field !== 'load' && FIELDS[field].kind === 'words';
  if (isNamed && key === undefined)
    return refuse(`${name} needs a name`, `write TARGET.${name}.NAME=VALUE`);
  if (!isNamed && key !== undefined) return refuse(`${name} has no names in it`);
  if (equals !== -1) return { pattern, field, key, value: text.slice(equals + 1), adds, text };
  // Without a value an argument is that of the environment, and a switch is on.
  const isSwitch = field === 'push' || field === 'load' || FIELDS[field].kind === 'switch';
  if (isSwitch) return { pattern, field, key, value: 'true', adds, text };
  if (field !== 'args') return refuse('the value is missing');
  return { pattern, field, key, value: environment[key ?? ''], adds, text };
}

/**
 * Reads --set. @param given in their order
 * @throws UsageError, also when there is no such target
 */
export function parseOverrides(
  given: readonly string[],
  targets: readonly WrittenTarget[],
  environment: Readonly<Record<string, string | undefined>>,
): Overrides {
  const names = [...new Set(targets.map(({ name }) => name))];
  const byTarget = new Map<string, Override[]>();
  for (const text of given) {
    const { pattern, ...override } = parseOverride(text, environment);
    const wanted = names.includes(pattern)
      ? [pattern]
      : names.filter((name) => matchPath(pattern, name));
    if (wanted.length === 0) {
      const near = suggest(pattern, names);
      throw new UsageError(`--set ${text}: there is no target ${pattern}`, {
        hint: near === undefined ? `targets: ${names.join(', ')}` : `did you mean ${near}?`,
      });
    }
    for (const name of wanted) {
      const before = byTarget.get(name) ?? [];
      byTarget.set(name, [...before, override]);
    }
  }
  return byTarget;
}

function withAttribute(entry: Entry, name: string, value: string): Entry {
  return new Map([...entry, [name, value]]);
}

/** --push: outputs that are images are pushed; without any output there is one. */
function pushOutputs(outputs: readonly Entry[], push: boolean): readonly Entry[] {
  const isImage = (entry: Entry) => entry.get('type') === 'image';
  if (!push)
    return outputs
      .filter((entry) => entry.get('type') !== 'registry')
      .map((entry) => (isImage(entry) ? withAttribute(entry, 'push', 'false') : entry));
  const pushed = outputs.map((entry) =>
    isImage(entry) ? withAttribute(entry, 'push', 'true') : entry,
  );
  if (outputs.some((entry) => entry.get('type') !== 'docker')) return pushed;
  return [...pushed, parseEntry('output', 'type=image,push=true')];
}

/** --load: an image for docker, beside others for nobody else. */
function loadOutputs(outputs: readonly Entry[], load: boolean): readonly Entry[] {
  const isLoaded = (entry: Entry) => entry.get('type') === 'docker' && !entry.has('dest');
  if (!load) return outputs.filter((entry) => !isLoaded(entry));
  const onlyImages = outputs.every((entry) =>
    ['docker', 'image', 'registry'].includes(entry.get('type') ?? ''),
  );
  return onlyImages && !outputs.some(isLoaded)
    ? [...outputs, parseEntry('output', 'type=docker')]
    : outputs;
}

function fieldValue(field: FieldName, items: readonly Override[]): FieldValue | undefined {
  const { kind } = FIELDS[field];
  const last = items.at(-1)?.value;
  if (kind === 'texts') return items.flatMap(({ value }) => value ?? []);
  if (kind === 'entries')
    return items
      .filter(({ value }) => value !== '')
      .map(({ value }) => parseEntry(field as EntryField, value ?? ''));
  if (kind !== 'words') return decodeField(field, last ?? null);
  return new Map(
    items.flatMap(({ key = '', value }) => (value === undefined ? [] : [[key, value]])),
  );
}

/** Fields that --set adds to, as it does in buildx. */
const ALWAYS_ADDED: readonly FieldName[] = ['annotations', 'attest', 'entitlements'];

/** The fields with one of them set. @throws FieldError */
function setField(fields: Fields, field: Override['field'], items: readonly Override[]): Fields {
  if (field === 'push' || field === 'load') {
    const change = field === 'push' ? pushOutputs : loadOutputs;
    const isOn = decodeField('pull', items.at(-1)?.value ?? 'true') === true;
    return { ...fields, output: change(fields.output ?? [], isOn) };
  }
  const value = fieldValue(field, items);
  if (value === undefined) return fields;
  const set = { [field]: value } as Fields;
  if (FIELDS[field].kind === 'words' || field === 'attest') return mergeFields(fields, set);
  const before = fields[field];
  const adds = ALWAYS_ADDED.includes(field) || items.every((item) => item.adds);
  const isList = Array.isArray(before) && Array.isArray(value);
  return adds && isList ? { ...fields, [field]: [...before, ...value] } : { ...fields, ...set };
}

/** A target's fields with what --set says. @throws UsageError */
export function applyOverrides(given: Fields, overrides: readonly Override[] = []): Fields {
  let fields = given;
  for (const field of new Set(overrides.map((override) => override.field))) {
    const items = overrides.filter((override) => override.field === field);
    try {
      fields = setField(fields, field, items);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      throw new UsageError(`--set ${items.at(-1)?.text}: ${error.message}`, { hint: error.hint });
    }
  }
  return fields;
}
