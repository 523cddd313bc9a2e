/** Brings a cache mount back from a shared cache, when a step that mounts it runs. */
import { mkdirSync } from 'node:fs';
import { scanMount, setRoot } from '../../fs/mounts/scan-mount.js';
import { removeTree } from '../../fs/remove-tree.js';
import { getMessage, ImageError } from '../../oci/image-error.js';
import type { Snapshot } from '../../shared-cache/mounts/snapshot.js';
import type { ReadCache } from '../../shared-cache/read-cache.js';
import type { MountSelection } from '../../shared-cache/spec.js';
import type { Store } from '../../store/store.js';
import type { DirectoryRows } from './list-parts.js';
import { makeList } from './list-parts.js';
import { entryFinder, isSettled, settledTime, writeNotes } from './mount-notes.js';
import { readSnapshot, selects } from './read-snapshot.js';
import { checkSize, restoreSnapshot } from './restore-snapshot.js';
import { directoryRows } from './take-rows.js';

/** A shared cache whose mounts may be brought back. */
export interface MountSource extends Pick<ReadCache, 'list' | 'openBlob'> {
  readonly title: string;
  readonly mounts: MountSelection | undefined;
  /** A failure ends the build. */
  readonly required: boolean;
}

/** What bringing mounts back needs of a build. */
export interface RestoreSession {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
}

/** Notes which files are those of the snapshot, so that the next one need not read them. */
async function note(
  store: Store,
  name: string,
  directory: string,
  id: string,
  { packs, entries }: Snapshot,
): Promise<void> {
  const settledAt = settledTime(Date.now());
  const find = entryFinder(entries);
  const rows: DirectoryRows[] = [];
  for (const group of await scanMount(directory)) {
    const taken = group.entries().map((entry) => {
      const row = entries[find(entry.path)];
      const isFile = entry.type === 'file' && row?.type === 'file';
      const file = isFile && isSettled(entry.ctimeMs, settledAt) ? entry : undefined;
      return row && { row, file, isAsFound: true };
    });
    rows.push(directoryRows(group, taken, settledAt));
  }
  writeNotes(store, name, { id, packs, ...makeList(rows) });
}

/**
 * Fills a directory with a mount as the first cache has it that has it at all.
 * @param directory trusted path, empty; it is empty again when this returns false
 * @throws ImageError when a cache that is required fails; the signal's reason
 */
export async function restoreMount(
  { store, signal, warn }: RestoreSession,
  sources: readonly MountSource[],
  name: string,
  directory: string,
): Promise<boolean> {
  for (const { title, list, openBlob, mounts, required } of sources) {
    const listed = list.mounts?.find((mount) => mount.name === name);
    if (!listed || !mounts || !selects(mounts, listed.id)) continue;
    try {
      const snapshot = await readSnapshot(listed, { title, openBlob });
      checkSize(snapshot, mounts.most, `${listed.id} of ${title}`);
      const source = { title: `${listed.id} of ${title}`, openBlob, signal };
      await restoreSnapshot(snapshot, directory, source);
      setRoot(directory, listed.root);
      await note(store, name, directory, listed.files.digest, snapshot);
      return true;
    } catch (error) {
      removeTree(directory);
      mkdirSync(directory);
      signal.throwIfAborted();
      const isKnown = error instanceof ImageError || (error as NodeJS.ErrnoException).syscall;
      if (!isKnown || required) throw error;
      warn(`the cache mount ${listed.id} of ${title} is not used: ${getMessage(error)}`);
    }
  }
  return false;
}
