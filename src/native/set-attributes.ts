/** What Node has no call for: devices, extended attributes, times with nanoseconds; in batches. */
import { requestFiles, rootPath } from './file-server.js';
import { requestFilesNow } from './files-once.js';
import { ASK } from './frames.js';
import { payloadWriter } from './payload.js';

/** One call; paths are bytes, relative to the root. `.` is the root itself. */
export type FileCall =
  /** @property mode with the bits of the type, `device` as mknod(2) takes it */
  | {
      readonly call: 'mknod';
      readonly path: Buffer;
      readonly mode: number;
      readonly device: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly call: 'setxattr';
      readonly path: Buffer;
      readonly name: Buffer;
      readonly value: Buffer;
    }
  | {
      readonly call: 'utime';
      readonly path: Buffer;
      readonly seconds: number;
      readonly nanoseconds: number;
    };

/** In the order of native/set.c. */
const NUMBERS = { mknod: 0, setxattr: 1, utime: 2 } as const;

const WORD = 2 ** 32;

function encodeCalls(root: string, calls: readonly FileCall[]): Buffer {
  const payload = payloadWriter().text(rootPath(root));
  for (const call of calls) {
    payload.number(NUMBERS[call.call]).text(call.path);
    if (call.call === 'mknod')
      payload.number(call.mode).number(call.device).number(call.uid).number(call.gid);
    else if (call.call === 'setxattr') payload.text(call.name).bytes(call.value);
    else {
      const high = Math.floor(call.seconds / WORD);
      payload.number(call.seconds - high * WORD).number(high >>> 0);
      payload.number(call.nanoseconds);
    }
  }
  return payload.end();
}

/**
 * Carries calls out in their order, until one fails.
 * @param root trusted path. No component of a path but the last may be a symbolic link, and that is
 *   not followed
 * @throws the file system's errors, with `path` and `syscall`; IsolationError
 */
export async function setFiles(root: string, calls: readonly FileCall[]): Promise<void> {
  await requestFiles(ASK.set, encodeCalls(root, calls));
}

/** The same for callers that can't wait. */
export function setFilesNow(root: string, calls: readonly FileCall[]): void {
  requestFilesNow(ASK.set, encodeCalls(root, calls));
}
