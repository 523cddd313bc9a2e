/**
 * Cache mounts: directories in `mounts/` that outlive builds. Their content is no part of any key
 * and of no layer (Dockerfile reference, RUN --mount=type=cache).
 */
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { CacheMount, RunMount } from '../../dockerfile/mount-flags.js';
import { NOTHING_TO_LINK } from '../../fs/layer/copy-job.js';
import { makeCopyLayer } from '../../fs/layer/copy-layer.js';
import { stackSource } from '../../fs/layer/stack-source.js';
import { removeTree } from '../../fs/remove-tree.js';
import { withSource } from '../../fs/scan/file-source.js';
import { selectFiles } from '../../fs/select/select.js';
import { treeReader } from '../../store/entries/entries.js';
import { layerDigests, layerStack } from '../../store/layers/layer-stack.js';
import { useMount } from '../../store/pins/cache-mounts.js';
import type { Lease } from '../../store/pins/lease.js';
import { releaseLease, takeLease, tryLease } from '../../store/pins/lease.js';
import type { LayerId } from '../../store/records.js';
import { canonicalJson, sha256 } from '../../util/canonical-json.js';
import { checkpoint } from '../../util/checkpoint.js';
import type { SourceLocation } from '../../util/errors.js';
import type { LocalMachine } from './local-machine.js';
import { requireOwner } from './require-owner.js';

/** A cache in use. */
export interface OpenCache {
  readonly path: string;
  readonly close: () => void;
}

async function fill(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[],
  path: string,
  location: SourceLocation,
): Promise<void> {
  const stack = await layerStack(machine.store, source);
  const selections = await withSource(stackSource(stack, mount.from ?? ''), (files) =>
    selectFiles(files, machine.scanStore, [mount.source], location),
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
}

async function create(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[] | undefined,
  path: string,
  location: SourceLocation,
): Promise<void> {
  if (existsSync(path)) return;
  // Made in tmp/ and renamed: another process must never see it half filled, and what a killed
  // process leaves there is cleared up.
  const draft = join(machine.scratch(), `mount-${machine.nextNumber()}`);
  mkdirSync(draft);
  if (source) await fill(machine, mount, source, draft, location);
  requireOwner(mount, '--mount=type=cache', location);
  chownSync(draft, mount.uid, mount.gid);
  chmodSync(draft, mount.mode);
  checkpoint('mount:filled');
  try {
    renameSync(draft, path);
    checkpoint('mount:placed');
  } catch (error) {
    removeTree(draft);
    if (!existsSync(path)) throw error;
  }
}

/** Attributes of a cache's directory when the Dockerfile says nothing of them. */
const USUAL = { mode: 0o755, uid: 0, gid: 0 };

/**
 * The name of a cache's directory. Caches of one id are different ones when they begin with
 * different files or belong to different users, as in BuildKit: what one stage's files became is
 * no start for another's.
 */
async function cacheName(
  machine: LocalMachine,
  mount: CacheMount,
  source: readonly LayerId[] | undefined,
): Promise<string> {
  const { id, mode, uid, gid } = mount;
  const usual = mode === USUAL.mode && uid === USUAL.uid && gid === USUAL.gid;
  if (!source && usual) return sha256(id).slice(0, 32);
  const from = source && {
    // Digests, not ids: a stage that ran again and made the same files has the same cache.
    layers: await layerDigests(machine.store, machine.scanStore, source),
    path: mount.source,
  };
  return sha256(canonicalJson({ id, mode, uid, gid, from: from ?? null })).slice(0, 32);
}

const PREFIX = 'mount:';

/** Takes the first directory of a cache that no other step has alone; makes one more when all are taken. */
function takePrivate({ store }: LocalMachine, name: string): Lease {
  for (let number = 0; ; number++) {
    const candidate = number === 0 ? name : `${name}.${number}`;
    const taken = tryLease(store, PREFIX + candidate);
    if (typeof taken !== 'number') return taken;
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
      const lease = await takeLease(store, PREFIX + name, { signal });
      if (lease) leases.push(lease);
    }
  } catch (error) {
    release();
    throw error;
  }
  return release;
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
): Promise<OpenCache> {
  const { store } = machine;
  const { paths } = store;
  const shared = await cacheName(machine, mount, source);
  const lease = mount.sharing === 'private' ? takePrivate(machine, shared) : undefined;
  const name = lease?.key.slice(PREFIX.length) ?? shared;
  const close = () => {
    if (lease) releaseLease(store, lease);
  };
  try {
    const path = join(paths.mounts, name);
    useMount(store, name, mount.id);
    await create(machine, mount, source, path, location);
    return { path, close };
  } catch (error) {
    close();
    throw error;
  }
}
