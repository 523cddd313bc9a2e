/** The files of a layer as a tree that a treemap can be drawn of: what is small is put together. Pure. */
import type { LayerFile } from '../fs/layer/list-files.js';
import type { FileNode } from './report-data.js';

interface Growing {
  bytes: number;
  wasted: number;
  /** Files. */
  count: number;
  readonly children: Map<string, Growing>;
}

const empty = (): Growing => ({ bytes: 0, wasted: 0, count: 0, children: new Map() });

function add(root: Growing, path: string, bytes: number, wasted: number): void {
  let at = root;
  for (const name of ['', ...path.split('/')]) {
    if (name !== '') {
      const next = at.children.get(name) ?? empty();
      at.children.set(name, next);
      at = next;
    }
    at.bytes += bytes;
    at.wasted += wasted;
    at.count += 1;
  }
}

/** Of a part of the tree: `a/b/c` where nothing else is in a and b. */
function onlyChild(name: string, node: Growing): readonly [string, Growing] {
  const [only, second] = node.children;
  if (!only || second) return [name, node];
  return onlyChild(`${name}/${only[0]}`, only[1]);
}

function finish(
  given: string,
  whole: Growing,
  least: number,
  show: (text: string) => string,
): FileNode {
  const [name, node] = given === '' ? [given, whole] : onlyChild(given, whole);
  const shares = { n: show(name), b: node.bytes, ...(node.wasted > 0 ? { w: node.wasted } : {}) };
  if (node.children.size === 0) return shares;
  const children = [...node.children].sort(([, a], [, b]) => b.bytes - a.bytes);
  const large = children.filter(([, child]) => child.bytes >= least);
  const small = children.filter(([, child]) => child.bytes < least).map(([, child]) => child);
  const sum = (of: (child: Growing) => number) =>
    small.reduce((total, child) => total + of(child), 0);
  const rest = sum(({ bytes }) => bytes);
  const wasted = sum((child) => child.wasted);
  const others: FileNode[] =
    rest === 0
      ? []
      : [{ n: '', b: rest, m: sum(({ count }) => count), ...(wasted > 0 ? { w: wasted } : {}) }];
  return {
    ...shares,
    c: [...large.map(([each, child]) => finish(each, child, least, show)), ...others],
  };
}

/**
 * @param wasted bytes by path
 * @param least files and directories with fewer bytes are put together
 * @param show makes a name harmless
 */
export function mapFiles(
  entries: readonly LayerFile[],
  wasted: ReadonlyMap<string, number>,
  least: number,
  show: (text: string) => string,
): FileNode {
  const root = empty();
  for (const { path, size } of entries) if (size > 0) add(root, path, size, wasted.get(path) ?? 0);
  return finish('', root, least, show);
}
