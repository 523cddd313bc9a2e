/** Reads values of compose files, in the several forms that they may have. */
import { parseBoolean } from '../util/csv-attributes.js';
import type { ComposeNode } from './compose-yaml.js';
import { composeError } from './compose-yaml.js';

/** A member of a map; null is as if it were not there. */
export function member(node: ComposeNode | undefined, name: string): ComposeNode | undefined {
  const found = node?.content instanceof Map ? node.content.get(name) : undefined;
  return found?.content === null ? undefined : found;
}

/** The members of a map. @throws BakeFileError */
export function members(
  node: ComposeNode | undefined,
  what: string,
): ReadonlyMap<string, ComposeNode> {
  if (!node || node.content === null) return new Map();
  if (node.content instanceof Map) return node.content as ReadonlyMap<string, ComposeNode>;
  throw composeError(`${what} is no map`, node);
}

/** @throws BakeFileError */
export function composeText(node: ComposeNode, what: string): string {
  const { content } = node;
  if (typeof content === 'string') return content;
  if (typeof content === 'number' || typeof content === 'boolean') return String(content);
  throw composeError(`${what} is no string`, node);
}

/** @throws BakeFileError */
export function composeSwitch(node: ComposeNode | undefined, what: string): boolean | undefined {
  if (!node) return undefined;
  const given = parseBoolean(composeText(node, what));
  if (given === undefined) throw composeError(`${what} is neither true nor false`, node);
  return given;
}

/** Strings of a list; a string alone is a list of one. @throws BakeFileError */
export function composeTexts(node: ComposeNode | undefined, what: string): string[] {
  if (!node) return [];
  if (!Array.isArray(node.content)) return [composeText(node, what)];
  return node.content.map((item) => composeText(item, what));
}

/**
 * A map, or a list of `NAME=VALUE`.
 * @param separators what stands between name and value in a list
 * @returns null for a name that has no value
 * @throws BakeFileError
 */
export function composePairs(
  node: ComposeNode | undefined,
  what: string,
  separators = /=/,
): Map<string, string | null> {
  if (!node) return new Map();
  if (!Array.isArray(node.content))
    return new Map(
      [...members(node, what)].map(([name, value]) => [
        name,
        value.content === null ? null : composeTexts(value, `${what}.${name}`).join(','),
      ]),
    );
  return new Map(
    node.content.map((item): [string, string | null] => {
      const text = composeText(item, what);
      const at = text.search(separators);
      return at === -1 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
