/** Makes a record beside the index what the index says. */
import type { CacheIndex } from './index-db.js';
import type { RecordFolder, RecordKind } from './record-files.js';
import { parseMark } from './record-files.js';

function repair<T, K extends string>(
  folder: RecordFolder<T, K>,
  keys: Iterable<K>,
  get: (key: K) => T | undefined,
  file: string,
): void {
  for (const key of keys) {
    if (folder.getName(key) !== file) continue;
    const record = get(key);
    if (record !== undefined && !folder.holds(record)) folder.put(record);
    return;
  }
  folder.removeFile(file);
}

/** Writes or removes the file of one record. */
function repairRecord(index: CacheIndex, kind: RecordKind, file: string): void {
  const { files, layers, remoteLayers, steps, images, names } = index;
  if (kind === 'layers') repair(files.layers, layers.getKeys(), (id) => layers.get(id), file);
  else if (kind === 'remoteLayers')
    repair(files.remoteLayers, remoteLayers.getKeys(), (id) => remoteLayers.get(id), file);
  else if (kind === 'steps') repair(files.steps, steps.getKeys(), (key) => steps.get(key), file);
  else if (kind === 'images') repair(files.images, images.getKeys(), (id) => images.get(id), file);
  else
    repair(
      files.names,
      names.getKeys(),
      (name) => {
        const image = names.get(name);
        return image === undefined ? undefined : { name, image };
      },
      file,
    );
}

/**
 * Writes or removes the files of records that a process which was killed, or a power cut, may have left
 * half-way. Part of the caller's write transaction.
 * @param marks of records; others are left out
 */
export function repairNoted(index: CacheIndex, marks: readonly string[]): void {
  for (const mark of marks) {
    const noted = parseMark(mark);
    if (noted) repairRecord(index, noted.kind, noted.file);
  }
}
