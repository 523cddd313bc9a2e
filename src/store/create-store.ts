/** Makes a new store, also when several processes do so at once. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { checkpoint } from '../util/checkpoint.js';
import { makeDirectories } from '../util/make-directories.js';
import { writeAll } from '../util/write-all.js';
import { openIndex } from './index/index-db.js';
import { makeRecordFolders } from './index/record-files.js';
import { requireFileTypes } from './layers/require-file-types.js';
import { spreadDrafts } from './layers/spread-drafts.js';
import type { StorePaths } from './paths.js';
import { requireFaithfulCopy } from './recovery/sample.js';
import { noteOwnMarks } from './require-own-marks.js';

/**
 * Makes the index elsewhere and moves it to its place. lmdb loses transactions, or gives
 * MDB_PROBLEM, when several processes open an environment that is not there yet (lmdb 3.5 for Node,
 * seen once in 40 times with 8 processes).
 */
async function createIndex(paths: StorePaths): Promise<void> {
  if (existsSync(paths.index)) return;
  const draft = join(paths.tmp, `index.${paths.self.id}`);
  try {
    mkdirSync(draft, { mode: 0o700 });
    const { environment, newest } = openIndex(paths, draft);
    await environment.close();
    newest.close();
    renameSync(draft, paths.index);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Another process was faster: its index is as good.
    if (!existsSync(paths.index)) throw error;
  }
  checkpoint('store:indexed');
}

/**
 * Whole or not at all, whenever the power is cut: a store with an empty version file can't be
 * opened any more.
 */
export function writeVersion(paths: StorePaths, text: string): void {
  const draft = join(paths.tmp, `version.${paths.self.id}`);
  const descriptor = openSync(draft, 'w');
  try {
    writeAll(descriptor, Buffer.from(text));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  checkpoint('store:drafted');
  renameSync(draft, paths.version);
}

/** Makes the missing folders of a store: a user may have removed one by hand. */
export function ensureFolders(paths: StorePaths): void {
  const { layers, links, tmp, mounts, leases } = paths;
  for (const path of [layers, links, tmp, mounts, leases]) makeDirectories(path, 0o700);
  // What is made in a setgid directory is setgid as well, and has its group: a checkout of git too.
  // A link may lead to a directory that everybody needs, as /tmp.
  if (!lstatSync(tmp).isSymbolicLink()) chmodSync(tmp, 0o700);
  makeRecordFolders(paths);
}

/**
 * Makes the folders and the index of a store; the version file comes last.
 * @param version content of the version file
 * @throws StoreError for a file system that overlayfs can't use; its own errors and lmdb's
 */
export async function createStore(paths: StorePaths, version: string): Promise<void> {
  ensureFolders(paths);
  noteOwnMarks(paths);
  await requireFileTypes(paths);
  await Promise.all([requireFaithfulCopy(paths), spreadDrafts(paths.tmp), createIndex(paths)]);
  writeVersion(paths, version);
}
