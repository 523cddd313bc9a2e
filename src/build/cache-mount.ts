/**
 * Cache mounts: directories in `mounts/` that outlive builds. Their content is no part of any key
 * and of no layer (Dockerfile reference, RUN --mount=type=cache).
 */
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { treeReader } from '../cache/entries.js';
import { releaseLease, tryLease } from '../cache/lease.js';
import { useMount } from '../cache/mounts.js';
import { checkpoint } from '../checkpoint.js';
import { selectFiles } from '../context/select.js';
import { withSource } from '../context/source.js';
import type { CacheMount } from '../dockerfile/mounts.js';
import type { SourceLocation } from '../errors.js';
import { removeTree } from '../fs/remove.js';
import { canonicalJson, sha256 } from '../keys/digest.js';
import { makeCopyLayer } from '../layers/copy-layer.js';
import { stackSource } from '../layers/stack-source.js';
import type { StepState } from './lookup.js';
import type { BuildSession } from './session.js';
import { layerDigests, stackOf } from './session.js';

/** How often a cache that somebody else uses alone is looked at again. */
const POLL_MS = 50;

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
  location: SourceLocation,
): Promise<void> {
  const stack = await stackOf(session, source.layers);
  const selections = await withSource(stackSource(stack, mount.from ?? ''), (files) =>
    selectFiles(files, session.scanStore, [mount.source], location),
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
    location,
  } as const;
  const { readTree, writeTree } = session.scanStore;
  await makeCopyLayer(path, request, { read: treeReader(readTree), write: writeTree });
}

async function create(
  session: BuildSession,
  mount: CacheMount,
  source: StepState | undefined,
  path: string,
  location: SourceLocation,
): Promise<void> {
  if (existsSync(path)) return;
  // Made in tmp/ and renamed: another process must never see it half filled, and what a killed
  // process leaves there is cleared up.
  const draft = join(session.scratch(), `mount-${session.nextNumber()}`);
  mkdirSync(draft);
  if (source) await fill(session, mount, source, draft, location);
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
  session: BuildSession,
  mount: CacheMount,
  source: StepState | undefined,
): Promise<string> {
  const { id, mode, uid, gid } = mount;
  const usual = mode === USUAL.mode && uid === USUAL.uid && gid === USUAL.gid;
  if (!source && usual) return sha256(id).slice(0, 32);
  const from = source && {
    // Digests, not ids: a stage that ran again and made the same files has the same cache.
    layers: await layerDigests(session, source.layers),
    path: mount.source,
  };
  return sha256(canonicalJson({ id, mode, uid, gid, from: from ?? null })).slice(0, 32);
}

/** Takes the first directory of a cache that nobody uses alone; makes one more when all are taken. */
function takePrivate(session: BuildSession, name: string): string {
  for (let number = 0; ; number++) {
    const candidate = number === 0 ? name : `${name}.${number}`;
    if (tryLease(session.store.index, `mount:${candidate}`) === undefined) return candidate;
  }
}

async function takeLocked(session: BuildSession, name: string): Promise<string> {
  while (tryLease(session.store.index, `mount:${name}`) !== undefined) {
    session.signal.throwIfAborted();
    await new Promise((resume) => setTimeout(resume, POLL_MS));
  }
  return name;
}

/**
 * Opens the cache of a mount, alone if its sharing mode says so.
 * @param location the step, for an error about what the cache begins with
 * @throws ContextError when `from` has no such path
 */
export async function openCacheMount(
  session: BuildSession,
  mount: CacheMount,
  source: StepState | undefined,
  location: SourceLocation,
): Promise<OpenCache> {
  const { index, paths } = session.store;
  const shared = await cacheName(session, mount, source);
  const name =
    mount.sharing === 'private'
      ? takePrivate(session, shared)
      : mount.sharing === 'locked'
        ? await takeLocked(session, shared)
        : shared;
  const close = () => {
    if (mount.sharing !== 'shared') releaseLease(index, `mount:${name}`);
  };
  try {
    const path = join(paths.mounts, name);
    useMount(index, name, mount.id);
    await create(session, mount, source, path, location);
    return { path, close };
  } catch (error) {
    close();
    throw error;
  }
}
