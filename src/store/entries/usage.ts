/** What takes how much space. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { planAll } from '../gc/prune-plan.js';
import { measureLinked, readPruneInput } from '../gc/prune-state.js';
import { getTables } from '../index/tables.js';
import type { MountSummary } from '../pins/cache-mounts.js';
import { listMounts } from '../pins/cache-mounts.js';
import { liveUses } from '../pins/uses.js';
import { getBlobs } from '../records.js';
import type { Store } from '../store.js';

/** Counts, and bytes. */
export interface UsageSummary {
  readonly entries: number;
  readonly layers: number;
  readonly images: number;
  /** Apparent size: sum over all layers, a file that two layers hard-link counted twice. */
  readonly bytes: number;
  /** What layers take on disk: blocks of each inode once, as du(1) counts. */
  readonly diskBytes: number;
  /** Compressed layers. */
  readonly blobBytes: number;
  /** The index. */
  readonly indexBytes: number;
  readonly mounts: readonly MountSummary[];
  /** What `cache prune --all` would free: all that is neither in use nor part of a named image. */
  readonly reclaimableBytes: number;
}

/** Sums up what the cache holds: reads the index, the layers that share files, and all mounts. */
export function summarizeUsage(store: Store): UsageSummary {
  const { paths } = store;
  const index = getTables(store);
  const uses = liveUses(index);
  const input = readPruneInput(index, measureLinked(store), uses, {}, Date.now());
  const blobs = new Map<string, number>();
  let layers = 0;
  let bytes = 0;
  for (const { value } of index.layers.getRange()) {
    // What another program keeps takes no space of ours.
    if (value.external !== undefined) continue;
    layers += 1;
    bytes += value.bytes;
    for (const { digest, size } of getBlobs(value)) blobs.set(digest, size);
  }
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, next) => total + next, 0);
  const mounts = listMounts(store);
  const freeMounts = mounts.filter(({ name }) => !uses.mounts.has(name));
  return {
    entries: index.steps.getCount(),
    layers,
    images: index.images.getCount(),
    bytes,
    diskBytes: sum(input.own.values()) + sum(input.shares.map((share) => share.bytes)),
    blobBytes: sum(blobs.values()),
    indexBytes: statSync(join(paths.index, 'data.mdb')).blocks * 512,
    mounts,
    reclaimableBytes: planAll(input).freed + sum(freeMounts.map((mount) => mount.bytes)),
  };
}
