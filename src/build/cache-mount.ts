/**
 * Cache mounts: directories in `mounts/` that outlive builds. Their content is no part of any key
 * and of no layer (Dockerfile reference, RUN --mount=type=cache).
 */
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { treeReader } from '../cache/entries.js';
import type { Lease } from '../cache/lease.js';
import { releaseLease, takeLease, tryLease } from '../cache/lease.js';
import { useMount } from '../cache/mounts.js';
import { checkpoint } from '../checkpoint.js';
import { selectFiles } from '../context/select.js';
import type { CacheMount, RunMount } from '../dockerfile/mounts.js';
import { sha256 } from '../keys/digest.js';
import { makeCopyLayer } from '../layers/copy-layer.js';
import { stackSource } from '../layers/stack-source.js';
import type { StepState } from './lookup.js';
import type { BuildSession } from './session.js';
import { stackOf } from './session.js';

/** A cache in use. */
export interface OpenCache {
  readonly path: string;
  readonly close: () => void;
}

async function fill(
  session: BuildSession,
  mount: CacheMount,
  source: StepState,
  path: string,
): Promise<void> {
  const stack = await stackOf(session, source.layers);
  // The location is only used when the source is missing, and that stays the step's own error.
  const location = { file: 'RUN --mount', line: 0, column: 0, endLine: 0 };
  const files = stackSource(stack, mount.from ?? '');
  const selections = await selectFiles(files, session.scanStore, [mount.source], location);
  const request = {
    selections,
    destination: { path: '', kind: 'directory', ancestors: [], obstacle: undefined },
    intoDirectory: true,
    owner: undefined,
    ownership: 'keep',
    chmod: undefined,
    former: undefined,
    location,
  } as const;
  await makeCopyLayer(path, request, treeReader(session.scanStore.readTree));
}

async function create(
  session: BuildSession,
  mount: CacheMount,
  source: StepState | undefined,
  path: string,
): Promise<void> {
  if (existsSync(path)) return;
  // Made in tmp/ and renamed: another process must never see it half filled, and what a killed
  // process leaves there is cleared up.
  const draft = join(session.scratch(), `mount-${session.nextNumber()}`);
  mkdirSync(draft);
  if (source) await fill(session, mount, source, draft);
  chownSync(draft, mount.uid, mount.gid);
  chmodSync(draft, mount.mode);
  checkpoint('mount:filled');
  try {
    renameSync(draft, path);
    checkpoint('mount:placed');
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(path)) throw error;
  }
}

const PREFIX = 'mount:';

/** Takes the first directory of a cache that nobody uses alone; makes one more when all are taken. */
function takePrivate({ store }: BuildSession, name: string): Lease {
  for (let number = 0; ; number++) {
    const candidate = number === 0 ? name : `${name}.${number}`;
    const taken = tryLease(store.index, PREFIX + candidate);
    if (typeof taken !== 'number') return taken;
  }
}

/** Name of the cache's directory, the first one if it is private. */
function nameOf({ id }: CacheMount): string {
  return sha256(id).slice(0, 32);
}

/**
 * Takes the caches that a step wants for itself (sharing=locked), before it opens any of them. Each
 * once, although it may be mounted twice, and all in one order: else two steps could wait for each
 * other for ever.
 * @returns gives them back
 */
export async function lockCaches(
  { store, signal }: BuildSession,
  mounts: readonly RunMount[],
): Promise<() => void> {
  const { index } = store;
  const names = mounts.flatMap((mount) =>
    mount.type === 'cache' && mount.sharing === 'locked' ? [nameOf(mount)] : [],
  );
  const leases: Lease[] = [];
  const release = () => {
    for (const lease of leases) releaseLease(index, lease);
  };
  try {
    for (const name of [...new Set(names)].sort()) {
      const lease = await takeLease(index, PREFIX + name, { signal });
      if (lease) leases.push(lease);
    }
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

/** Opens the cache of a mount: one of its own if it is private. A locked one was taken before. */
export async function openCacheMount(
  session: BuildSession,
  mount: CacheMount,
  source: StepState | undefined,
): Promise<OpenCache> {
  const { index, paths } = session.store;
  const lease = mount.sharing === 'private' ? takePrivate(session, nameOf(mount)) : undefined;
  const name = lease?.key.slice(PREFIX.length) ?? nameOf(mount);
  const close = () => {
    if (lease) releaseLease(index, lease);
  };
  try {
    const path = join(paths.mounts, name);
    useMount(index, name, mount.id);
    await create(session, mount, source, path);
    return { path, close };
  } catch (error) {
    close();
    throw error;
  }
}
