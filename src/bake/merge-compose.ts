/** Several compose files as one: what later ones say is added to earlier ones, or replaces it. */

import { member } from './compose-values.js';
import type { ComposeNode } from './compose-yaml.js';
import { composeError } from './compose-yaml.js';

/** Members of `build` and of services that are maps or lists of NAME=VALUE. */
const PAIRS = ['args', 'labels', 'additional_contexts', 'environment', 'ssh'];

/** A list of NAME=VALUE as a map; a map stays as it is. */
export function asMap(node: ComposeNode): ComposeNode {
  if (!Array.isArray(node.content)) return node;
  const items = node.content as readonly ComposeNode[];
  const pairs = items.flatMap((item): [string, ComposeNode][] => {
    if (typeof item.content !== 'string') return [];
    const at = item.content.indexOf('=');
    if (at === -1) return [[item.content, { at: item.at, content: null }]];
    return [[item.content.slice(0, at), { at: item.at, content: item.content.slice(at + 1) }]];
  });
  return { ...node, content: new Map(pairs) };
}

/** Do both say the same, wherever they are? */
export function isSame(a: ComposeNode, b: ComposeNode): boolean {
  const [one, other] = [a.content, b.content];
  if (one instanceof Map && other instanceof Map)
    return (
      one.size === other.size &&
      [...(one as ReadonlyMap<string, ComposeNode>)].every(([name, value]) => {
        const same = (other as ReadonlyMap<string, ComposeNode>).get(name);
        return same !== undefined && isSame(value, same);
      })
    );
  if (!Array.isArray(one) || !Array.isArray(other)) return one === other;
  return one.length === other.length && one.every((item, at) => isSame(item, other[at]));
}

/** What the second says is added to the first, or replaces it. @param name of the member that both are */
export function mergeNodes(first: ComposeNode, second: ComposeNode, name: string): ComposeNode {
  if (second.tag === 'override') return second;
  const [a, b] = PAIRS.includes(name) ? [asMap(first), asMap(second)] : [first, second];
  if (a.content instanceof Map && b.content instanceof Map) {
    const merged = new Map(a.content as ReadonlyMap<string, ComposeNode>);
    for (const [key, value] of b.content as ReadonlyMap<string, ComposeNode>) {
      const before = merged.get(key);
      if (value.tag === 'reset') merged.delete(key);
      else merged.set(key, before ? mergeNodes(before, value, key) : value);
    }
    return { at: b.at, content: merged };
  }
  if (!Array.isArray(a.content) || !Array.isArray(b.content)) return b;
  const before = a.content as readonly ComposeNode[];
  const added = (b.content as readonly ComposeNode[]).filter(
    (item) => !before.some((other) => isSame(other, item)),
  );
  return { at: b.at, content: [...before, ...added] };
}

/** What is left once nothing more is merged: `!reset` where there was nothing is nothing. */
export function withoutResets(node: ComposeNode): ComposeNode {
  const { content } = node;
  if (Array.isArray(content)) {
    const items = content as readonly ComposeNode[];
    return { ...node, content: items.map(withoutResets) };
  }
  if (!(content instanceof Map)) return node;
  const kept = [...(content as ReadonlyMap<string, ComposeNode>)].filter(
    ([, value]) => value.tag !== 'reset',
  );
  return { ...node, content: new Map(kept.map(([key, value]) => [key, withoutResets(value)])) };
}

/** `build: DIRECTORY` is short for its context. */
function withLongBuild(service: ComposeNode): ComposeNode {
  const build = member(service, 'build');
  if (!(service.content instanceof Map) || typeof build?.content !== 'string') return service;
  // What `!reset` takes away is all of it, whatever is written there.
  if (build.tag === 'reset') return service;
  const { tag, ...context } = build;
  const long: ComposeNode = {
    at: build.at,
    content: new Map([['context', context]]),
    ...(tag ? { tag } : {}),
  };
  return { ...service, content: new Map([...service.content, ['build', long]]) };
}

function withLongBuilds(file: ComposeNode): ComposeNode {
  const services = member(file, 'services');
  if (!(file.content instanceof Map) || !(services?.content instanceof Map)) return file;
  const long = [...services.content].map(([name, service]): [string, ComposeNode] => [
    name,
    withLongBuild(service),
  ]);
  const content = new Map([...file.content, ['services', { ...services, content: new Map(long) }]]);
  return { ...file, content };
}

/** @param files in their order, at least one @throws BakeFileError for what is no compose file */
export function mergeCompose(files: readonly ComposeNode[]): ComposeNode {
  for (const file of files) {
    if (!(file.content instanceof Map) || !(member(file, 'services') ?? member(file, 'include')))
      throw composeError('that is no compose file: it has no services', file);
  }
  return files.map(withLongBuilds).reduce((merged, file) => mergeNodes(merged, file, ''));
}
