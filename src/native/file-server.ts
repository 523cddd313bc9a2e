/**
 * One wiac-sys for all that this process has to do with files, in all rooms: it keeps nothing, a
 * request says all that it needs. It is started by the first request, and ends when there were none
 * for a while.
 */
import { isAbsolute, resolve } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { IsolationError } from '../util/errors.js';
import { requireProc } from '../util/proc-mount.js';
import { TELL } from './frames.js';
import { payloadReader } from './payload.js';
import type { Reply, WiacSys } from './wiac-sys.js';
import { lazyWiacSys } from './wiac-sys.js';

/** A program that uses wiac as a library and builds now and then keeps no process for it. */
const IDLE_MS = 10_000;

let server: WiacSys | undefined;
let requests = 0;
let idle: NodeJS.Timeout | undefined;

/** A request need not wait until a process is started. */
export function isRunning(): boolean {
  return server !== undefined;
}

function beginRequest(): WiacSys {
  clearTimeout(idle);
  requests += 1;
  if (!server) requireProc();
  server ??= lazyWiacSys('files');
  return server;
}

function endRequest(): void {
  requests -= 1;
  if (requests > 0) return;
  idle = setTimeout(() => {
    server?.close();
    server = undefined;
  }, IDLE_MS);
  idle.unref();
}

/** A failed system call, as Node itself describes one. */
function systemError(payload: Buffer): NodeJS.ErrnoException {
  const reader = payloadReader(payload);
  const errno = -reader.number();
  const [syscall, reason, path] = [reader.text(), reader.text(), reader.text()].map(String);
  const code = getSystemErrorName(errno);
  const message = `${code}: ${reason?.toLowerCase()}, ${syscall} '${path}'`;
  return Object.assign(new Error(message), { errno, code, syscall, path });
}

/** @throws what it says instead */
export function getDone({ kind, payload }: Reply): Buffer {
  if (kind === TELL.done) return payload;
  if (kind === TELL.failed) throw systemError(payload);
  throw new IsolationError(`wiac-sys refused a request: ${payload}`);
}

/**
 * A trusted path as another process finds it: it has other descriptors, and stays in the directory
 * that it was started in. beginRequest() has seen that our number in /proc is our own.
 */
export function rootPath(path: string): string {
  const absolute = isAbsolute(path) ? path : resolve(path);
  return absolute.replace(/^\/proc\/self\//, `/proc/${process.pid}/`);
}

/**
 * @param kind of ASK
 * @param onPart gets records that come before the last ones
 * @returns the last records
 * @throws system errors as Node has them; IsolationError when there is no wiac-sys
 */
export async function requestFiles(
  kind: number,
  payload: Buffer,
  onPart?: (records: Buffer) => void,
): Promise<Buffer> {
  try {
    return getDone(await beginRequest().request(kind, payload, onPart && { onPart }));
  } finally {
    endRequest();
  }
}
