/** Brings the store of an earlier version up to date. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../../fs/remove-tree.js';
import { formatPlatform, hostPlatform } from '../../oci/platform.js';
import { StoreError } from '../../util/errors.js';
import { noteRelated } from '../entries/related.js';
import { noteTime } from '../entries/timeline.js';
import type { CacheIndex } from '../index/index-db.js';
import { makeRecordFolders, noteSynced } from '../index/record-files.js';
import type { StorePaths } from '../paths.js';
import { syncFileSystem } from './durability.js';
import { sinceBoot } from './session.js';

/** Version 3 has a file in tmp/ for each record that is being written. */
const FORMER_NOTE = 'record.';

/** Can a store of that version be brought up to date? */
export function isUpgradable(version: number): boolean {
  return version >= 2 && version <= 7;
}

/** Pids of processes that have the index open: version 2 knows no other sign of life, and lmdb knows it of all. */
function openedBy({ environment }: CacheIndex): number[] {
  // Takes the rows of processes that are gone out of lmdb's table.
  environment.readerCheck();
  const pids = [...environment.readerList().matchAll(/^\s*(\d+)\s/gm)].map(([, pid]) =>
    Number(pid),
  );
  return [...new Set(pids)].filter((pid) => pid !== process.pid);
}

/**
 * Gives the index what the first stores of version 2 lack: in which order entries were made, and which are like one
 * another, without which no list has them; and the platform of images, all of which were for their machine then.
 */
function addMissing(index: CacheIndex): void {
  const { steps, images } = index;
  const made = [...steps.getRange()].map(({ value }) => value);
  for (const step of made.sort((a, b) => a.created - b.created)) {
    noteTime(index, step);
    noteRelated(index, step);
  }
  const platform = formatPlatform(hostPlatform());
  for (const { key, value } of [...images.getRange()])
    images.putSync(key, { ...value, platform: value.platform ?? platform });
}

/** Puts what the index knows beside it. */
function writeRecords({ files, layers, remoteLayers, steps, images, names }: CacheIndex): void {
  for (const { value } of layers.getRange()) {
    // A user may have removed its directory by hand: `verify` says so.
    if (existsSync(join(files.layers.path, value.id))) files.layers.put(value);
  }
  for (const { value } of remoteLayers.getRange()) files.remoteLayers.put(value);
  for (const { value } of steps.getRange()) files.steps.put(value);
  for (const { value } of images.getRange()) files.images.put(value);
  for (const { key: name, value: image } of names.getRange()) files.names.put({ name, image });
}

/**
 * Forgets what an earlier version took for the content of files; it is read again when need be. Digests of version 2 say
 * nothing of names of one file (hard links), and up to version 4 two names, or two targets of links, could be the same
 * text where they are not UTF-8: a layer would be taken for another one, a file that was removed would be back where an
 * opaque directory has such a name, and a context that has not changed since would be copied with other links. Version 5
 * has all that from a store that it upgraded itself.
 */
function forgetContents({ layers, remoteLayers, directories, entries }: CacheIndex): void {
  const unknown = {
    digest: undefined,
    tree: undefined,
    opaque: undefined,
    withoutXattrs: undefined,
  };
  for (const { key, value } of [...layers.getRange()])
    layers.putSync(key, { ...value, ...unknown });
  for (const { key, value } of [...remoteLayers.getRange()])
    remoteLayers.putSync(key, { ...value, digest: undefined });
  directories.clearSync();
  entries.clearSync();
}

/**
 * Forgets the digests of layers. Those of version 6 and 7 say which whiteouts are one inode, and some were read where
 * owners have other numbers: outside of the user namespace of an ordinary user.
 */
function forgetDigests({ layers, files }: CacheIndex): void {
  for (const { key, value } of [...layers.getRange()]) {
    if (value.digest === undefined) continue;
    const kept = { ...value, digest: undefined, tree: undefined };
    layers.putSync(key, kept);
    if (existsSync(join(files.layers.path, value.id))) files.layers.put(kept);
  }
}

/**
 * Upgrades a store of version 2, which has no records and no FIFOs, 3, which keeps leases in the index and a note for
 * each record, or 4 to 7. The caller has the index lock and writes the new version after it. Nothing that is cached is
 * lost.
 * @throws StoreError when an earlier wiac is at work in it
 */
export async function upgradeStore(
  paths: StorePaths,
  index: CacheIndex,
  version: number,
): Promise<void> {
  const { root, tmp } = paths;
  makeRecordFolders(paths);
  const busy = openedBy(index);
  if (busy.length > 0) {
    throw new StoreError(
      `an earlier version of wiac uses the store ${root} (processes ${busy.join(', ')})`,
      { hint: 'wait until it has ended' },
    );
  }
  // In which session something was written, version 6 does not say: with the boot alone it counts as it did. Version 7 has
  // no marks of devices.
  if (version >= 6) {
    index.environment.transactionSync(() => forgetDigests(index));
    index.files.committed();
    return;
  }
  index.environment.openDB({ name: 'leases' }).clearSync();
  index.environment.transactionSync(() => {
    index.uses.clearSync();
    forgetContents(index);
    if (version === 2) addMissing(index);
    writeRecords(index);
  });
  index.files.committed();
  // No process continues the work in there. What version 3 has, a sweep knows how to remove.
  for (const name of readdirSync(tmp))
    if (version === 2 || name.startsWith(FORMER_NOTE)) removeTree(join(tmp, name));
  const began = sinceBoot();
  await syncFileSystem(root);
  noteSynced(paths, began);
}
