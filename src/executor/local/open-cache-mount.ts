/**
 * Cache mounts: directories in `mounts/` that outlive builds. Their content is no part of any key
 * and of no layer (Dockerfile reference, RUN --mount=type=cache).
 */

import { chmodSync, chownSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheMount, RunMount } from '../../dockerfile/mount-flags.js';
import { NOTHING_TO_LINK } from '../../fs/layer/copy-job.js';
import { makeCopyLayer } from '../../fs/layer/copy-layer.js';
import { rootedStack } from '../../fs/layer/rooted-stack.js';
import { resolve } from '../../fs/layer/stack.js';
import { stackSource } from '../../fs/layer/stack-source.js';
import { removeTree } from '../../fs/remove-tree.js';
import { withSource } from '../../fs/scan/file-source.js';
import { MOUNTED, selectFiles } from '../../fs/select/select.js';
import { treeReader } from '../../store/entries/entries.js';
import { layerDigests } from '../../store/layers/layer-digests.js';
import { layerStack } from '../../store/layers/layer-stack.js';
import {
  clearEmptyMount,
  fillLease,
  mountLease,
  mountName,
  mountPath,
  useMount,
} from '../../store/pins/cache-mounts.js';
import type { Lease } from '../../store/pins/lease.js';
import { releaseLease, takeLease, tryLease } from '../../store/pins/lease.js';
import type { LayerId } from '../../store/records.js';
import { checkpoint } from '../../util/checkpoint.js';
import type { SourceLocation } from '../../util/errors.js';
import type { ExecutionIo } from '../executor.js';
import type { LocalMachine } from './local-machine.js';
import { requireOwner } from './require-owner.js';

/** A cache in use. */
export interface OpenCache {
  readonly path: string;
  readonly close: () => void;
}

/** Attributes of a directory. */
interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Of a cache that begins with nothing, or with a file. */
const USUAL: Attributes = { mode: 0o755, uid: 0, gid: 0 };

/** @returns the attributes of the directory that it begins with */
async function fill(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[],
  path: string,
  location: SourceLocation,
): Promise<Attributes> {
  const stack = rootedStack(await layerStack(machine.store, source), machine.scratch);
  const selections = await withSource(stackSource(stack, mount.from ?? ''), (files) =>
    selectFiles(files, machine.scanStore, [mount.source], location, MOUNTED),
  );
  const request = {
    selections,
    changes: false,
    destination: { path: '', kind: 'directory', ancestors: [], obstacle: undefined },
    intoDirectory: true,
    owner: undefined,
    ownership: 'keep',
    chmod: undefined,
    former: undefined,
    // Programs change what is in it.
    linkable: NOTHING_TO_LINK,
    location,
  } as const;
  const { readTree, writeTree } = machine.scanStore;
  const nodes = { read: treeReader(readTree), text: readTree, write: writeTree };
  await makeCopyLayer(path, request, nodes);
  const start = resolve(stack, mount.source)?.entry?.stats;
  if (!start?.isDirectory()) return USUAL;
  return { mode: start.mode & 0o7777, uid: start.uid, gid: start.gid };
}

async function create(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[] | undefined,
  path: string,
  location: SourceLocation,
  bringBack: ((directory: string) => Promise<boolean>) | undefined,
): Promise<void> {
  if (existsSync(path)) return;
  // Made in tmp/ and renamed: another process must never see it half filled, and what a killed
  // process leaves there is cleared up.
  const draft = join(machine.scratch(), `mount-${machine.nextNumber()}`);
  mkdirSync(draft);
  if (!(await bringBack?.(draft))) {
    const start = source ? await fill(machine, mount, source, draft, location) : USUAL;
    const { mode = start.mode, uid = start.uid, gid = start.gid } = mount;
    requireOwner({ uid, gid }, '--mount=type=cache', location);
    chownSync(draft, uid, gid);
    chmodSync(draft, mode);
  }
  checkpoint('mount:filled');
  try {
    renameSync(draft, path);
    checkpoint('mount:placed');
  } catch (error) {
    removeTree(draft);
    if (!existsSync(path)) throw error;
  }
}

/** The name of a cache's directory. */
async function cacheName(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[] | undefined,
): Promise<string> {
  if (!source) return mountName(mount);
  const layers = await layerDigests(machine.store, machine.scanStore, source);
  return mountName(mount, { layers, path: mount.source });
}

/** Takes the first directory of a cache that no other step has alone; makes one more when all are taken. */
function takePrivate({ store }: LocalMachine, name: string): { name: string; lease: Lease } {
  for (let number = 0; ; number++) {
    const candidate = number === 0 ? name : `${name}.${number}`;
    const lease = tryLease(store, mountLease(candidate));
    if (typeof lease !== 'number') return { name: candidate, lease };
  }
}

/**
 * Takes the caches that a step wants for itself (sharing=locked), before it opens any of them. Each
 * once, although it may be mounted twice, and all in one order: else two steps could wait for each
 * other for ever.
 * @param sources what each mount begins with, in the order of the mounts
 * @returns gives them back
 */
export async function lockCaches(
  machine: LocalMachine,
  mounts: readonly RunMount[],
  sources: readonly (readonly LayerId[] | undefined)[],
  signal: AbortSignal,
): Promise<() => void> {
  const { store } = machine;
  const names: string[] = [];
  for (const [at, mount] of mounts.entries()) {
    if (mount.type === 'cache' && mount.sharing === 'locked')
      names.push(await cacheName(machine, mount, sources[at]));
  }
  const leases: Lease[] = [];
  const release = () => {
    for (const lease of leases) releaseLease(store, lease);
  };
  try {
    for (const name of [...new Set(names)].sort()) {
      const lease = await takeLease(store, mountLease(name), { signal });
      if (lease) leases.push(lease);
    }
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

/** What opening caches asks of the build. */
type CacheIo = Pick<ExecutionIo, 'restoreMount' | 'signal'>;

/**
 * Fills a cache that is not there, with what a shared cache has of it if it has anything. Whoever
 * else wants it meanwhile, in this process or another one, waits: it would fetch the same, and rename(2)
 * would put its directory into the place of the one that a program has already, if that is still empty.
 * @param name of the cache's directory
 * @param shared name of the mount: copies of a private one begin with the same files
 */
async function createOnce(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[] | undefined,
  name: string,
  shared: string,
  location: SourceLocation,
  { restoreMount, signal }: CacheIo,
): Promise<void> {
  const path = mountPath(machine.store, name);
  if (existsSync(path)) return;
  const lease = await takeLease(machine.store, fillLease(name), { signal });
  try {
    const bringBack =
      restoreMount && ((directory: string) => restoreMount(shared, directory, signal));
    await create(machine, mount, source, path, location, bringBack);
  } finally {
    if (lease) releaseLease(machine.store, lease);
  }
}

/**
 * Opens the cache of a mount: one of its own if it is private. A locked one was taken before.
 * @param location the step, for an error about what the cache begins with
 * @throws ContextError when `from` has no such path
 */
export async function openCacheMount(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[] | undefined,
  location: SourceLocation,
  io: CacheIo,
): Promise<OpenCache> {
  const { store } = machine;
  const shared = await cacheName(machine, mount, source);
  const { name, lease } =
    mount.sharing === 'private' ? takePrivate(machine, shared) : { name: shared, lease: undefined };
  const close = () => {
    if (lease) releaseLease(store, lease);
  };
  try {
    if (io.restoreMount) clearEmptyMount(store, name);
    useMount(store, name, mount.id);
    await createOnce(machine, mount, source, name, shared, location, io);
    return { path: mountPath(store, name), close };
  } catch (error) {
    close();
    throw error;
  }
}
