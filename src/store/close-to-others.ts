/** Keeps other users of the machine out of a store. */
import { chmodSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { type StoreDirectories, storeParts } from './paths.js';
import { DAMAGED } from './recovery/rebuild-index.js';

const OTHERS = 0o077;
/** A directory for everybody, like /tmp: others need it as well, whatever is in it by now. */
const SHARED = 0o1002;

/** Not one behind a link: it may be a directory that everybody needs. */
function isOpenPart(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory() || stats.uid !== process.geteuid?.()) return false;
  return (stats.mode & OTHERS) !== 0;
}

function hasPartsOnly(paths: StoreDirectories): boolean {
  const { root, version, marks } = paths;
  const parts = [version, marks, ...storeParts(paths)];
  const own = new Set(['lost+found', ...parts.map((path) => basename(path))]);
  return readdirSync(root).every((name) => own.has(name) || name.startsWith(DAMAGED));
}

/**
 * Layers hold files with the owners and setuid bits that their images say: no other user may look
 * inside, or run one. A directory that is not the store's alone, or another user's, keeps its mode; the store's parts in
 * it are closed then.
 */
export function closeToOthers(paths: StoreDirectories): void {
  const { root } = paths;
  const { mode, uid } = statSync(root);
  const isOwn = uid === process.geteuid?.();
  if (isOwn && (mode & OTHERS) === 0) return;
  if (isOwn && (mode & SHARED) !== SHARED && hasPartsOnly(paths)) chmodSync(root, 0o700);
  else for (const path of storeParts(paths)) if (isOpenPart(path)) chmodSync(path, 0o700);
}
