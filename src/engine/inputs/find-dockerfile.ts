/** The text of a Dockerfile: of this machine, of a context that was fetched, or of a URL. */
import { closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { DockerfilePlace } from '../../fs/scan/local-context.js';
import { readFetchedText } from '../../fs/scan/local-context.js';
import { remoteAddress } from '../../sources/context-source.js';
import { fromBytes } from '../../util/byte-string.js';
import { ContextError, UsageError } from '../../util/errors.js';
import { withoutCredentials } from '../../util/redact.js';
import { readSettings } from '../../util/regular-file.js';
import type { Workspace } from './workspace.js';

/** The text of a Dockerfile, and where it is. */
export interface Found {
  readonly place: DockerfilePlace;
  /** As fromBytes gives it. */
  readonly text: string;
  /** As messages have it. */
  readonly title: string;
}

/** Longer than any Dockerfile, and what a device without an end may give. */
const MAX_TEXT = 64 << 20;

/** How often a pipe is looked at, and how long for somebody who writes to it at all. */
const LOOK_MS = 10;
const PATIENCE_MS = 10_000;

/**
 * What a pipe or a device gives. It is looked at again and again: a thread that waits in open(2) or
 * read(2) would keep wiac from ending at a signal.
 */
async function readPipe(path: string, signal: AbortSignal): Promise<string> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const pieces: Buffer[] = [];
    const piece = Buffer.allocUnsafe(1 << 16);
    const until = performance.now() + PATIENCE_MS;
    for (let bytes = 0; bytes <= MAX_TEXT; ) {
      const count = readNow(fd, piece);
      // A pipe that has no bytes yet looks like one that is closed.
      if (count === 0 && (bytes > 0 || performance.now() > until))
        return fromBytes(Buffer.concat(pieces));
      if (count > 0) pieces.push(Buffer.from(piece.subarray(0, count)));
      else await setTimeout(LOOK_MS, undefined, { signal });
      bytes += Math.max(0, count);
    }
    throw new Error('it has no end');
  } finally {
    closeSync(fd);
  }
}

/** @returns -1 when there is nothing to read now */
function readNow(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return -1;
    throw error;
  }
}

/**
 * A Dockerfile of this machine.
 * @param isNamed by the command line: then it may be a pipe, such as `<(...)`. What lies in the
 *   context is somebody else's, and a pipe there would be waited for
 * @throws ContextError, the signal's reason
 */
export async function readLocal(
  path: string,
  isNamed: boolean,
  signal: AbortSignal,
): Promise<Found> {
  const place: DockerfilePlace = { kind: 'local', path };
  try {
    const stats = statSync(path);
    if (stats.isFile())
      return { place, text: fromBytes(readSettings(path, MAX_TEXT)), title: path };
    if (!isNamed || stats.isDirectory()) throw new Error('it is no file');
    return { place, text: await readPipe(path, signal), title: path };
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT' ? `there is no Dockerfile ${path}` : `${path} can't be read: ${message}`;
    throw new ContextError(reason, undefined, {
      hint: isNamed ? 'check the spelling of -f FILE' : 'name it with -f FILE',
    });
  }
}

/** BuildKit's frontend looks for the first two, podman and buildah for the last as well. */
const NAMES = ['Dockerfile', 'dockerfile', 'Containerfile'];

/** `Dockerfile`, or another of its names where only that is there. */
export function usualPath(contextPath: string): string {
  const paths = NAMES.map((name) => join(contextPath, name));
  return paths.find((path) => existsSync(path)) ?? join(contextPath, 'Dockerfile');
}

/** The Dockerfile of a context that is no directory of this machine. @throws ContextError when it has none */
export function readInside(root: string, file: string | undefined, context: string): Found {
  for (const name of file === undefined ? NAMES : [file]) {
    const path = posix.normalize(name);
    const text = readFetchedText(root, path);
    if (text !== undefined)
      return { place: { kind: 'context', path }, text, title: `${path} (${context})` };
  }
  throw new ContextError(`there is no ${file ?? 'Dockerfile'} in ${context}`, undefined, {
    hint: 'name it with -f FILE, as it is in there',
  });
}

/** The Dockerfile at a URL. @throws UsageError, ContextError */
export async function readWeb(address: string, workspace: Workspace): Promise<Found> {
  const remote = remoteAddress(address);
  if (remote?.source.type !== 'http')
    throw new UsageError(`--file ${withoutCredentials(address)} is no file`, {
      hint: 'a repository is a build context: wiac build -f FILE REPOSITORY',
    });
  const { downloadFile } = await import('../../sources/fetch-http.js');
  const { limits, signal, environment } = workspace;
  const path = join(workspace.scratch(), 'Dockerfile');
  await downloadFile(
    { ...remote, source: remote.source, limits, environment, signal, location: undefined },
    path,
    undefined,
  );
  const found = await readLocal(path, false, signal);
  return { ...found, place: { kind: 'input' }, title: remote.source.url };
}
