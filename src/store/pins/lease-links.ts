/**
 * Leases as they lie in the store: each a symbolic link in `leases/`, named by its key, whose text is the id of the
 * process that has it. symlink(2) makes it whole or not at all, and for one process only. So a lease
 * costs no transaction of the index, which waits for the disk.
 */
import { lstatSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessId } from './live-process.js';

/** The leases of a store. Keys are names of files: see lease.ts. */
export interface LeaseLinks {
  /** Who has it. */
  readonly get: (key: string) => ProcessId | undefined;
  /** @returns false when a process has it, be it alive or not */
  readonly take: (key: string, process: ProcessId) => boolean;
  readonly remove: (key: string) => void;
  /** Is something else there, which no process made for a lease? */
  readonly isOther: (key: string) => boolean;
  readonly list: () => { readonly key: string; readonly process: ProcessId }[];
}

/** Neither there nor a link: nobody has it. */
const NO_LINK: readonly unknown[] = ['ENOENT', 'EINVAL'];

function readLease(path: string): ProcessId | undefined {
  try {
    return readlinkSync(path) as ProcessId;
  } catch (error) {
    if (NO_LINK.includes((error as NodeJS.ErrnoException).code)) return undefined;
    throw error;
  }
}

/** One name of a file. */
const PLAIN = /^\w[\w:.-]*$/;

const isKey = (name: string) => PLAIN.test(name);

/** @param directory trusted path */
export function leaseLinks(directory: string): LeaseLinks {
  const at = (key: string) => {
    // Digests of registries are among them: each was checked when it was read, and none leads elsewhere.
    if (!isKey(key)) throw new Error(`${key} is no key of a lease`);
    return join(directory, key);
  };
  return {
    get: (key) => readLease(at(key)),
    take(key, process) {
      try {
        symlinkSync(process, at(key));
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
        throw error;
      }
    },
    remove: (key) => rmSync(at(key), { force: true }),
    isOther: (key) => lstatSync(at(key), { throwIfNoEntry: false })?.isSymbolicLink() === false,
    list: () =>
      // Others put files of their own there, such as .nfs000...
      readdirSync(directory)
        .filter(isKey)
        .flatMap((key) => {
          const process = readLease(at(key));
          return process === undefined ? [] : [{ key, process }];
        }),
  };
}

/** Who has a lease, and whether that process lives. */
export interface LeaseOwner {
  readonly process: ProcessId;
  readonly lives: boolean;
}

/**
 * The process that has a lease, dead or alive. Before this process asks whether the owner lives, the owner may have given
 * the lease back and ended, and another process may have taken it: so the lease is read once more.
 * @returns undefined when nobody has it: anybody may take it at any moment then
 */
export function leaseOwner(
  leases: Pick<LeaseLinks, 'get'>,
  key: string,
  isAlive: (process: ProcessId) => boolean,
): LeaseOwner | undefined {
  for (;;) {
    const process = leases.get(key);
    if (process === undefined) return undefined;
    if (isAlive(process)) return { process, lives: true };
    if (leases.get(key) === process) return { process, lives: false };
  }
}
