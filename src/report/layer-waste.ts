/** Bytes of an image that nobody can see, or that are there twice. Pure. */
import type { LayerContents } from '../engine/contents/build-layers.js';
import type { Waste } from './report-data.js';

/** A file as the layers so far show it. */
interface Seen {
  readonly layer: number;
  readonly size: number;
  readonly digest: string | undefined;
}

/** What the layers so far show, directory by directory: what is deleted is deleted with all below it. */
interface Folder {
  readonly folders: Map<string, Folder>;
  readonly files: Map<string, Seen>;
}

const emptyFolder = (): Folder => ({ folders: new Map(), files: new Map() });

const join = (at: string, name: string) => (at === '' ? name : `${at}/${name}`);

function* filesIn(folder: Folder, at: string): Generator<readonly [path: string, seen: Seen]> {
  for (const [name, seen] of folder.files) yield [join(at, name), seen];
  for (const [name, below] of folder.folders) yield* filesIn(below, join(at, name));
}

/** The directory of a path. @param make for what is not there; else undefined */
function folderOf(root: Folder, names: readonly string[], make: boolean): Folder | undefined {
  let at = root;
  for (const name of names) {
    let next = at.folders.get(name);
    if (!next) {
      if (!make) return undefined;
      next = emptyFolder();
      at.folders.set(name, next);
    }
    at = next;
  }
  return at;
}

interface Finder {
  readonly root: Folder;
  readonly waste: Waste[];
}

function note(
  { waste }: Finder,
  kind: 'overwritten' | 'deleted',
  path: string,
  { layer, size }: Seen,
  by: number,
): void {
  if (size > 0 && layer !== by) waste.push({ kind, path, bytes: size, layer, by });
}

/** Everything at a path, and below it, is gone. */
function remove(finder: Finder, path: string, by: number): void {
  const names = path.split('/');
  const last = names.pop() ?? '';
  const folder = folderOf(finder.root, names, false);
  if (!folder) return;
  const file = folder.files.get(last);
  if (file) note(finder, 'deleted', path, file, by);
  const below = folder.folders.get(last);
  if (below)
    for (const [each, seen] of filesIn(below, path)) note(finder, 'deleted', each, seen, by);
  folder.files.delete(last);
  folder.folders.delete(last);
}

function addFile(finder: Finder, path: string, seen: Seen, isFile: boolean): void {
  const names = path.split('/');
  const last = names.pop() ?? '';
  const folder = folderOf(finder.root, names, true);
  if (!folder) return;
  const before = folder.files.get(last);
  if (before) note(finder, 'overwritten', path, before, seen.layer);
  if (folder.folders.has(last)) remove(finder, path, seen.layer);
  if (isFile) folder.files.set(last, seen);
  else folder.files.delete(last);
}

function addLayer(
  finder: Finder,
  { entries, opaque, digests }: LayerContents,
  layer: number,
): void {
  // What is below an opaque directory goes before what the layer has in it comes.
  for (const path of opaque) remove(finder, path, layer);
  for (const { path, mode } of entries) if (mode === 'w') remove(finder, path, layer);
  for (const { path, mode, size } of entries) {
    if (mode === 'w') continue;
    const isDirectory = mode.startsWith('d');
    const above = folderOf(finder.root, path.split('/').slice(0, -1), true);
    if (!isDirectory) {
      addFile(finder, path, { layer, size, digest: digests.get(path) }, mode.startsWith('f'));
    } else if (above?.files.has(path.slice(path.lastIndexOf('/') + 1))) remove(finder, path, layer);
  }
}

/** All but one of those that are visible and have the same content. */
function findTwice({ root }: Finder): Waste[] {
  const first = new Map<string, { readonly path: string; readonly layer: number }>();
  const twice: Waste[] = [];
  for (const [path, { layer, size, digest }] of filesIn(root, '')) {
    if (digest === undefined || size === 0) continue;
    const other = first.get(digest);
    if (other)
      twice.push({ kind: 'twice', path, bytes: size, layer, by: other.layer, other: other.path });
    else first.set(digest, { path, layer });
  }
  return twice;
}

/** @param layers bottom first. @returns the largest first */
export function findWaste(layers: readonly LayerContents[]): Waste[] {
  const finder: Finder = { root: emptyFolder(), waste: [] };
  for (const [index, contents] of layers.entries()) addLayer(finder, contents, index);
  return [...finder.waste, ...findTwice(finder)].sort(
    (a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1),
  );
}
