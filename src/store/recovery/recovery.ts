/** After an unclean reboot, or end of a mount: drops what was published but never certainly on disk. */
import { rmSync } from 'node:fs';
import { checkpoint } from '../../util/checkpoint.js';
import { dropBlob, dropLayers } from '../gc/drop.js';
import type { CacheIndex } from '../index/index-db.js';
import { parseMark } from '../index/record-files.js';
import { repairNoted } from '../index/repair-record.js';
import { write } from '../index/transaction.js';
import { announceRemoval, removeLayer } from '../layers/layer-store.js';
import type { StorePaths } from '../paths.js';
import { blobPath } from '../paths.js';
import type { LayerId } from '../records.js';
import { isSameSession } from './session.js';

/** What the machine went down on. */
export interface LostWork {
  readonly layers: number;
  /** Names (or ids) of images that are gone with their layers. */
  readonly images: readonly string[];
}

interface Marked {
  readonly layers: Set<LayerId>;
  readonly blobs: Set<string>;
  /** Marks of records beside the index. */
  readonly records: readonly string[];
}

/** Marks of former sessions; reading an empty table is all that this costs as a rule. */
function formerMarks(index: CacheIndex): Marked | undefined {
  const marks = [...index.unsynced.getRange()];
  if (marks.length === 0) return undefined;
  const former = marks
    .filter(({ value }) => !isSameSession(value, index.session))
    .map(({ key }) => key);
  if (former.length === 0) return undefined;
  const named = (kind: string) =>
    former.filter((mark) => mark.startsWith(kind)).map((mark) => mark.slice(kind.length));
  const records = former.filter((mark) => parseMark(mark) !== undefined);
  return { layers: new Set(named('layer:') as LayerId[]), blobs: new Set(named('blob:')), records };
}

function ignoreFailure(action: () => void): void {
  try {
    action();
  } catch {
    // An ordinary user outside of the user namespace can't remove every file: a directory that
    // no record names is garbage that `wiac cache verify --repair` removes.
  }
}

/**
 * Drops the layers and blobs that carry the mark of a former session; see durability.ts.
 * @returns undefined when no layer was dropped: a push leaves blobs that are not on disk, and makes
 *   them again without a word
 */
export function recoverStore(index: CacheIndex, paths: StorePaths): LostWork | undefined {
  if (formerMarks(index) === undefined) return undefined;
  const dropped = write(index, () => {
    // Another process may have been faster.
    const marked = formerMarks(index);
    if (marked === undefined) return undefined;
    for (const id of marked.layers) announceRemoval(paths, id);
    const { images, blobs } = dropLayers(index, marked.layers);
    for (const digest of marked.blobs) dropBlob(index, digest);
    for (const mark of marked.records) index.unsynced.removeSync(mark);
    repairNoted(index, marked.records);
    // Behind the transaction another process may make one of them again.
    for (const digest of [...marked.blobs, ...blobs])
      ignoreFailure(() => rmSync(blobPath(paths, digest), { force: true }));
    return { layers: marked.layers, images };
  });
  if (dropped === undefined) return undefined;
  checkpoint('recover:unlisted');
  for (const id of dropped.layers) ignoreFailure(() => removeLayer(paths, id));
  if (dropped.layers.size === 0) return undefined;
  return { layers: dropped.layers.size, images: dropped.images };
}
