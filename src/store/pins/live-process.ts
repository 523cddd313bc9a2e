/**
 * Which processes of a store are alive.
 *
 * Each process that opens the store holds the reading end of a FIFO, `live/<id>`, open. To find out
 * whether it lives, another process opens the FIFO for writing, without waiting: that works as long as
 * a process has the reading end, and fails with ENXIO when none has (fifo(7)). The kernel gives the
 * answer. It is the same in every pid namespace and container that shares the file system, it holds
 * for a process that is stopped, no lease has to be renewed, and no clock is asked. A file lock
 * (flock, OFD) would say the same, but Node has no call for it, and who probes it holds it for a
 * moment, so that two who probe at once would take each other for the owner.
 *
 * The reading end is closed when a program is executed (O_CLOEXEC, which Node sets on all that it
 * opens): a step that outlives wiac does not keep it alive.
 *
 * Node can't make FIFOs. wiac-sys makes some in advance, in `live/free/`. A process opens one and
 * then renames it to its own id: of two that opened the same one, one succeeds. It goes back when
 * the process ends, or when another process finds that its process is dead.
 */
import { closeSync, mkdirSync, readdirSync, readlinkSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { makeFifos } from '../../native/store-files.js';
import { StoreError, WiacError } from '../../util/errors.js';
import { hasReader, openFifo } from '../../util/fifo.js';
import { saysFull } from '../../util/no-space.js';
import { randomName } from '../layers/random-name.js';
import type { StoreDirectories } from '../paths.js';

/** 16 random base32 digits, `-`, and the pid in the process's own namespace (only for messages). */
export type ProcessId = string & { readonly __brand: 'ProcessId' };

const ID = /[a-z2-7]{16}-\d+$/;
const WHOLE_ID = new RegExp(`^${ID.source}`);

function isProcessId(text: string): text is ProcessId {
  return WHOLE_ID.test(text);
}

/** How many FIFOs are made at once, when there is none. */
const FIFOS = 32;

/** This process, as the other processes of the store see it. */
export interface LiveProcess {
  readonly id: ProcessId;
  /** Does the process with this id have the store open? */
  readonly isAlive: (id: ProcessId) => boolean;
  /** Ids of the other processes that have the store open. */
  readonly others: () => ProcessId[];
  /** Had one died when this one came? Not those that were swept away before. */
  readonly foundDead: boolean;
  /** Takes the FIFOs of dead processes back. */
  readonly sweep: () => void;
  /** After it other processes take this one for dead. Once more does nothing. */
  readonly leave: () => void;
}

/**
 * Another process with the same pid, in another pid namespace, has the store open. lmdb tells
 * processes by their pids: it would let the second one wait, and could take one for the other when
 * it is killed. The command has to be run again in a process of its own (cli/run-again.ts).
 */
export class PidTakenError extends StoreError {
  constructor() {
    super(`another process with the pid ${process.pid} uses the store, in another container`, {
      hint: 'run the command again',
    });
  }
}

/** The pid that an id names: it means something in the process's own pid namespace only. */
export function getPid(id: ProcessId): number {
  return Number(id.slice(id.indexOf('-') + 1));
}

/** The id at the end of a name in tmp/; undefined when there is none. */
export function getProcess(name: string): ProcessId | undefined {
  return ID.exec(name)?.[0] as ProcessId | undefined;
}

function getCode(error: unknown): unknown {
  return (error as NodeJS.ErrnoException).code;
}

/** @returns false when another process was faster */
function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (getCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Opens a FIFO of the pool and gives it the name. @returns undefined when the pool is empty */
function takeFifo(pool: string, path: string): number | undefined {
  for (const name of readdirSync(pool)) {
    const fifo = join(pool, name);
    let descriptor: number;
    try {
      descriptor = openFifo(fifo);
    } catch (error) {
      if (getCode(error) === 'ENOENT') continue;
      throw error;
    }
    // It is open before it has its name: at no time is a living process taken for a dead one.
    if (tryRename(fifo, path)) return descriptor;
    closeSync(descriptor);
  }
  return undefined;
}

/** Makes FIFOs for processes to come. @throws StoreError when the file system has none */
async function fillPool(pool: string): Promise<void> {
  try {
    await makeFifos(pool, Array.from({ length: FIFOS }, randomName));
  } catch (error) {
    const code = getCode(error);
    if (error instanceof WiacError || code === undefined || saysFull(error)) throw error;
    throw new StoreError(`the store can't make a FIFO: ${(error as Error).message}`, {
      hint: 'it needs a file system of this machine with FIFOs, such as ext4 or xfs: set WIAC_ROOT',
      cause: error,
    });
  }
}

/** Is the FIFO open in this very process, which has opened the store twice? */
function isOwn(id: ProcessId): boolean {
  return readdirSync('/proc/self/fd').some((number) => {
    try {
      return basename(readlinkSync(`/proc/self/fd/${number}`)) === id;
    } catch {
      // That of the directory itself.
      return false;
    }
  });
}

/**
 * Makes this process known to the others of a store, before it does anything there.
 * @throws PidTakenError; StoreError when the file system has no FIFOs
 */
export async function joinStore({ live, freeFifos }: StoreDirectories): Promise<LiveProcess> {
  const getPath = (other: ProcessId) => join(live, other);
  const id = `${randomName()}-${process.pid}` as ProcessId;
  // Ids are read from files: one that no wiac has made could lead to any file of this machine.
  const isAlive = (other: ProcessId) =>
    isProcessId(other) && (other === id || hasReader(getPath(other)));
  const all = () => readdirSync(live).filter(isProcessId);
  const sweep = () => {
    for (const other of all())
      if (!isAlive(other)) tryRename(getPath(other), join(freeFifos, randomName()));
  };
  mkdirSync(freeFifos, { recursive: true, mode: 0o700 });
  const foundDead = all().some((other) => !isAlive(other));
  let taken = takeFifo(freeFifos, getPath(id));
  while (taken === undefined) {
    sweep();
    if (readdirSync(freeFifos).length === 0) await fillPool(freeFifos);
    taken = takeFifo(freeFifos, getPath(id));
  }
  const descriptor = taken;
  let left = false;
  const leave = () => {
    // The number of a closed descriptor soon belongs to another file of this process.
    if (left) return;
    left = true;
    tryRename(getPath(id), join(freeFifos, randomName()));
    closeSync(descriptor);
  };
  const samePid = all().filter((other) => other !== id && getPid(other) === process.pid);
  if (samePid.some((other) => isAlive(other) && !isOwn(other))) {
    leave();
    throw new PidTakenError();
  }
  return {
    id,
    isAlive,
    foundDead,
    others: () => all().filter((other) => other !== id && isAlive(other)),
    sweep,
    leave,
  };
}
