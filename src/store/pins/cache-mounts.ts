/** Cache mounts: directories in mounts/ (RUN --mount=type=cache), what is known of them, removal. */
import { existsSync, readdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { measureTree } from '../../fs/layer/disk-usage.js';
import type { LayerDigest } from '../../keys/digest.js';
import { canonicalJson, sha256 } from '../../util/canonical-json.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { temporaryPath } from '../layers/layer-store.js';
import type { Store } from '../store.js';
import { removeNotesFile } from './notes-file.js';
import { declareUse, type LiveUses } from './uses.js';

/** A cache mount, as it is listed. */
export interface MountSummary {
  /** Name of its directory in mounts/. */
  readonly name: string;
  /** The mount's id in the Dockerfile; the directory's name when the index has no record of it. */
  readonly id: string;
  /** ms since the epoch. */
  readonly lastUsed: number;
  /** What du(1) says. */
  readonly bytes: number;
}

/** What makes a cache mount this one and no other. */
export interface MountIdentity {
  readonly id: string;
  /** Of its directory; undefined: as in what it begins with. */
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/** Attributes of a cache's directory when the Dockerfile says nothing of them. */
const USUAL = { mode: 0o755, uid: 0, gid: 0 };

/**
 * The name of a cache's directory, the same on every machine. Caches of one id are different ones
 * when they begin with different files or belong to different users, as in BuildKit: what one
 * stage's files became is no start for another's.
 * @param from the layers it begins with, by digest: a stage that ran again and made the same files has
 *   the same cache
 */
export function mountName(
  { id, mode, uid, gid }: MountIdentity,
  from?: { readonly layers: readonly LayerDigest[]; readonly path: string },
): string {
  const usual = mode === USUAL.mode && uid === USUAL.uid && gid === USUAL.gid;
  if (!from && usual) return sha256(id).slice(0, 32);
  return sha256(canonicalJson({ id, mode, uid, gid, from: from ?? null })).slice(0, 32);
}

/** Key of the lease on a cache that a step has alone. */
export function mountLease(name: string): string {
  return `mount:${name}`;
}

/** Key of the lease on filling a cache that is not there. */
export function fillLease(name: string): string {
  return `fill:${name}`;
}

/** Path of a cache's directory. */
export function mountPath({ paths }: Pick<Store, 'paths'>, name: string): string {
  return join(paths.mounts, name);
}

/** Keeps caches from being pruned until this process ends. */
export function holdMounts(store: Indexed, names: readonly string[]): void {
  const index = getTables(store);
  write(index, () => declareUse(index, { mounts: names }));
}

/**
 * Removes a cache's directory that is empty, unless a living process has used it: what a step left
 * that failed before it wrote anything is no reason not to bring a snapshot back.
 */
export function clearEmptyMount(store: Store, name: string): void {
  const index = getTables(store);
  write(index, () => {
    for (const { value } of index.uses.getRange())
      if (value.mounts.includes(name) && index.self.isAlive(value.process)) return;
    try {
      rmdirSync(mountPath(store, name));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTEMPTY') throw error;
    }
  });
}

/** Does another living process use a cache, or has it used it? */
export function isUsedElsewhere(store: Indexed, name: string): boolean {
  const { uses, self } = getTables(store);
  for (const { value } of uses.getRange()) {
    const { process, mounts } = value;
    if (process !== self.id && mounts.includes(name) && self.isAlive(process)) return true;
  }
  return false;
}

/** Notes that a step of this process uses a cache: it can't be pruned until the process ends. */
export function useMount(store: Indexed, name: string, id: string): void {
  const index = getTables(store);
  write(index, () => {
    declareUse(index, { mounts: [name] });
    index.mounts.putSync(name, { id, lastUsed: Date.now() });
  });
}

function mountNames({ paths }: Store): string[] {
  // Others are drafts, made by a process that died or is about to rename them.
  return readdirSync(paths.mounts).filter((name) => /^[0-9a-f]{32}(\.\d+)?$/.test(name));
}

/** All caches. */
export function mountRecords(store: Store): Omit<MountSummary, 'bytes'>[] {
  return mountNames(store).map((name) => {
    const record = getTables(store).mounts.get(name);
    return { name, id: record?.id ?? name, lastUsed: record?.lastUsed ?? 0 };
  });
}

/** All caches with their sizes: one lstat a file. */
export function listMounts(store: Store): MountSummary[] {
  return mountRecords(store).map((mount) => {
    return { ...mount, bytes: measureTree(mountPath(store, mount.name)).disk };
  });
}

/**
 * Moves caches that no process uses out of the way. Part of a write transaction, like the declaration
 * of their use, so that a step either keeps its cache or makes a new one.
 * @param names caches that may go
 * @returns those that went, and the paths that are to be deleted
 */
export function moveMountsAside(
  store: Store,
  names: readonly string[],
  uses: LiveUses,
): { names: string[]; paths: string[] } {
  const { paths } = store;
  const index = getTables(store);
  const isThere = (name: string) => existsSync(join(paths.mounts, name));
  const free = names.filter((name) => !uses.mounts.has(name) && isThere(name));
  const moved = free.map((name) => {
    const target = temporaryPath(paths);
    renameSync(join(paths.mounts, name), target);
    index.mounts.removeSync(name);
    removeNotesFile(store, 'mountNotes', name);
    return target;
  });
  return { names: free, paths: moved };
}
