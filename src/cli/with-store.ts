/** The store for a command that asks questions of it. */

import type { DockerfileRequest } from '../engine/request.js';
import { ensurePrivileges } from '../executor/local/privileges.js';
import { createHash64 } from '../fs/scan/hash64.js';
import type { IndexScanStore } from '../store/entries/scan-store.js';
import { indexScanStore } from '../store/entries/scan-store.js';
import { sweepOwn, sweepStore } from '../store/gc/sweep.js';
import { storeRoot } from '../store/paths.js';
import type { Store } from '../store/store.js';
import { asStoreError, closeStore } from '../store/store.js';
import { IsolationError, UsageError } from '../util/errors.js';
import { abortOnSignal } from './abort-on-signal.js';
import { combineOptions } from './combine-options.js';
import type { SetExitCode } from './declare/options.js';
import type { DockerfileOptions } from './dockerfile-input.js';
import { dockerfileRequest, parseLockMode } from './dockerfile-input.js';
import { openUserStore } from './user-store.js';

/** Opens the user's store for as long as the action takes. @throws StoreError, NoSpaceError */
export async function withStore(action: (store: Store) => void | Promise<void>): Promise<void> {
  const root = storeRoot(process.env, process.getuid?.() === 0);
  const store = await openUserStore(root);
  try {
    await action(store);
  } catch (error) {
    throw asStoreError(root, error);
  } finally {
    await closeStore(store);
  }
}

/**
 * The same as root, or relayed to a process in a user namespace where files with the owners of an
 * image can be made and read.
 * @throws StoreError, IsolationError when there can be no user namespace
 */
export async function withStoreAsRoot(
  setExitCode: SetExitCode,
  action: (store: Store) => Promise<void>,
): Promise<void> {
  const relayed = await ensurePrivileges(storeRoot(process.env, process.getuid?.() === 0));
  if (relayed !== undefined) return setExitCode(relayed);
  await withStore(action);
}

/**
 * The same for what writes to the store for a while: a signal ends it, and nothing half-made stays.
 * @throws InterruptedError as well
 */
export function changeStore(
  setExitCode: SetExitCode,
  action: (store: Store) => Promise<void>,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    sweepStore(store);
    const { signal, dispose } = abortOnSignal();
    const stopped = new Promise<never>((_resolve, refuse) => {
      signal.addEventListener('abort', () => refuse(signal.reason), { once: true });
    });
    try {
      await Promise.race([action(store), stopped]);
    } finally {
      dispose();
      if (signal.aborted) sweepOwn(store);
    }
  });
}

/** For commands that ask. @throws UsageError when the lock file is to be changed */
export function refuseRenewal(options: DockerfileOptions): void {
  if (parseLockMode(options).renewal === undefined) return;
  throw new UsageError(`--lock=${options.lock}: this command changes nothing`, {
    hint: 'wiac lock --update changes the lock file',
  });
}

/**
 * Asks something about a build: with what the options ask of the engine, and the store. A signal ends it.
 * @throws what the action throws, and StoreError
 */
export async function withRequest(
  path: string,
  options: DockerfileOptions,
  action: (store: Store, request: DockerfileRequest) => Promise<void>,
): Promise<void> {
  await withStore(async (store) => {
    refuseRenewal(options);
    const { signal, dispose } = abortOnSignal();
    try {
      await action(store, await dockerfileRequest(path, combineOptions(options), signal));
    } finally {
      dispose();
    }
  });
}

/**
 * The same about files of layers, which takes what withStoreAsRoot says. Where there can be no user namespace, no layer is
 * read, and what only they could tell is a miss.
 */
export async function withRequestAsRoot(
  path: string,
  options: DockerfileOptions,
  setExitCode: SetExitCode,
  action: (store: Store, request: DockerfileRequest) => Promise<void>,
): Promise<void> {
  const relayed = await ensurePrivileges(storeRoot(process.env, process.getuid?.() === 0)).catch(
    (error: unknown) => {
      if (error instanceof IsolationError) return undefined;
      throw error;
    },
  );
  if (relayed !== undefined) return setExitCode(relayed);
  await withRequest(path, options, action);
}

/** Gives an action the tree nodes of the index; those it adds are kept. */
export async function withScanStore(
  store: Store,
  action: (scanStore: IndexScanStore) => Promise<void>,
): Promise<void> {
  const scanStore = indexScanStore(store, await createHash64());
  await action(scanStore);
  scanStore.flush();
}
