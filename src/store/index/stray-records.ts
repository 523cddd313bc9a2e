/** Records beside the index that it does not know: left by processes that were killed. */
import { join } from 'node:path';
import type { CacheIndex } from './index-db.js';

/** A folder of records, with what the index has of it. */
interface Counted {
  readonly path: string;
  readonly found: readonly string[];
  /** What the files of the rows of the index are called. */
  readonly known: () => ReadonlySet<string>;
  readonly removeFile: (name: string) => void;
}

/** What lies in `records/`, to be compared with the index later. */
export type ListedRecords = readonly Counted[];

/** Lists the files; the index is read later. */
export function listRecords(index: CacheIndex): ListedRecords {
  const { files, steps, remoteLayers, images, names } = index;
  const count = <K extends string>(
    folder: {
      readonly path: string;
      readonly names: () => string[];
      readonly getName: (key: K) => string;
      readonly removeFile: (name: string) => void;
    },
    keys: () => Iterable<K>,
  ): Counted => ({
    path: folder.path,
    found: folder.names(),
    known: () => new Set([...keys()].map(folder.getName)),
    removeFile: folder.removeFile,
  });
  return [
    count(files.steps, () => steps.getKeys()),
    count(files.remoteLayers, () => remoteLayers.getKeys()),
    count(files.images, () => images.getKeys()),
    count(files.names, () => names.getKeys()),
  ];
}

/** Those of the listed files that the index does not know. */
export function* strayRecords(
  listed: ListedRecords,
): Generator<{ readonly path: string; readonly remove: () => void }> {
  for (const { path, found, known, removeFile } of listed) {
    const names = known();
    for (const name of found)
      if (!names.has(name)) yield { path: join(path, name), remove: () => removeFile(name) };
  }
}
