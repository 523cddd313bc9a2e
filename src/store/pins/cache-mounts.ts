/** Cache mounts: directories in mounts/ (RUN --mount=type=cache), what is known of them, removal. */
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { measureTree } from '../../fs/layer/disk-usage.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { temporaryPath } from '../layers/layer-store.js';
import type { Store } from '../store.js';
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

/** All caches with their sizes: one lstat a file. */
export function listMounts(store: Store): MountSummary[] {
  return mountNames(store).map((name) => {
    const record = getTables(store).mounts.get(name);
    const bytes = measureTree(join(store.paths.mounts, name)).disk;
    return { name, id: record?.id ?? name, lastUsed: record?.lastUsed ?? 0, bytes };
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
    return target;
  });
  return { names: free, paths: moved };
}
