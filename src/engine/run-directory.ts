/**
 * Directories for what is short-lived in a `run`. Each has a socket that its process listens on for as long as it
 * lives: the kernel answers whoever connects, in any namespace, also for a process that is stopped. One whose
 * process was killed goes when another program is run.
 */
import { lstatSync, mkdtempSync, readdirSync, renameSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { Directory } from '../fs/directory.js';
import { closeDirectory, openRoot } from '../fs/directory.js';
import { removeTree } from '../fs/remove-tree.js';
import { asTemporaryError } from './run-directory-error.js';

const PREFIX = 'wiac-run-';
/** Of a directory that has no socket yet. */
const NEW = 'wiac-new-run-';
const SOCKET = 'alive';
/** So old a directory without a socket has no process that is about to make one. */
const ABANDONED_MS = 60 * 60 * 1000;

/** The path of a socket must be short (unix(7)): a descriptor's is, whatever $TMPDIR is. */
const socketPath = ({ fd }: Directory) => `/proc/self/fd/${fd}/${SOCKET}`;

/** @returns what ends it */
async function listen(path: string): Promise<() => void> {
  // Open as long as the server is, which removes its socket by that path.
  const directory = openRoot(path);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath(directory), resolve);
  });
  server.unref();
  return () => server.close(() => closeDirectory(directory));
}

/** Does anybody listen? True where that can't be told. */
async function isAlive(path: string): Promise<boolean> {
  const directory = openRoot(path);
  try {
    return await new Promise((resolve) => {
      const socket = connect(socketPath(directory));
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
    });
  } finally {
    closeDirectory(directory);
  }
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  // What belongs to others is theirs; a link is nothing of ours.
  if (!stats?.isDirectory() || stats.uid !== process.getuid?.()) return false;
  if (name.startsWith(NEW)) return stats.mtimeMs < Date.now() - ABANDONED_MS;
  return !(await isAlive(path));
}

async function sweep(temporary: string): Promise<void> {
  const names = readdirSync(temporary).filter(
    (name) => name.startsWith(PREFIX) || name.startsWith(NEW),
  );
  for (const name of names) {
    const path = join(temporary, name);
    try {
      if (await isAbandoned(path, name)) removeTree(path);
    } catch {
      // Another process removes it as well, or it can't be removed: nothing of this run depends on it.
    }
  }
}

/** A directory that goes with its process, or after it. */
export interface RunDirectory {
  readonly path: string;
  readonly remove: () => void;
}

/**
 * Makes one, and removes those of processes that were killed.
 * @param temporary trusted path
 * @throws UsageError, NoSpaceError, LimitError when nothing can be made there
 */
export async function openRunDirectory(temporary: string): Promise<RunDirectory> {
  try {
    return await makeRunDirectory(temporary);
  } catch (error) {
    throw asTemporaryError(error, temporary);
  }
}

async function makeRunDirectory(temporary: string): Promise<RunDirectory> {
  await sweep(temporary);
  const made = mkdtempSync(join(temporary, NEW));
  try {
    const end = await listen(made);
    const path = join(temporary, PREFIX + made.slice(-6));
    renameSync(made, path);
    return {
      path,
      remove: () => {
        end();
        removeTree(path);
      },
    };
  } catch (error) {
    removeTree(made);
    throw error;
  }
}
