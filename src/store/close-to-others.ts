/** Keeps other users of the machine out of a store. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { StoreDirectories } from './paths.js';
import { DAMAGED } from './recovery/rebuild-index.js';

function isOpenTo(path: string): boolean {
  const { mode, uid } = statSync(path);
  return (mode & 0o077) !== 0 && uid === process.geteuid?.();
}

/**
 * Layers hold files with the owners and setuid bits that their images say: no other user may look
 * inside, or run one. A directory that is not the store's alone keeps its mode, the store's parts in
 * it are closed then.
 */
export function closeToOthers(paths: StoreDirectories): void {
  const { root, version, index, layers, links, blobs, tmp, live, records } = paths;
  if (!isOpenTo(root)) return;
  const { mounts, mountNotes, cacheNotes, leases, builds } = paths;
  const parts = [
    index,
    layers,
    links,
    blobs,
    tmp,
    mounts,
    mountNotes,
    cacheNotes,
    live,
    leases,
    records,
    builds,
  ];
  const own = new Set(['lost+found', ...[version, ...parts].map((path) => basename(path))]);
  const names = readdirSync(root);
  const isOwn = (name: string) => own.has(name) || name.startsWith(DAMAGED);
  if (names.every(isOwn)) {
    chmodSync(root, 0o700);
    return;
  }
  for (const name of names) {
    const path = join(root, name);
    if (parts.includes(path) && isOpenTo(path)) chmodSync(path, 0o700);
  }
}
