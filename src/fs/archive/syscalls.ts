/**
 * System calls that Node doesn't have, for the files of a layer: mknod, lsetxattr, and utimensat with
 * nanoseconds (a double, which Node's utimes takes, is 240 ns wide today).
 */
import type { FileCall } from '../../native/set-attributes.js';
import { setFiles, setFilesNow } from '../../native/set-attributes.js';
import { ImageError } from '../../oci/image-error.js';
import type { ByteString, TarTime } from '../../oci/tar/entry.js';
import { display } from '../../oci/tar/entry.js';
import { strangersHint } from '../../util/free-range.js';
import { inUserNamespace, isMapped } from '../../util/user-namespace.js';
import { DEVICE_MARK, deviceMark } from '../device-marks.js';

export type SystemCall =
  | {
      readonly call: 'mknod';
      readonly path: ByteString;
      readonly type: 'char' | 'block' | 'fifo' | 'socket';
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      /** As mknod(2) takes it; 0 for fifos and sockets. */
      readonly device: number;
    }
  | {
      readonly call: 'setxattr';
      readonly path: ByteString;
      readonly name: ByteString;
      readonly value: ByteString;
    }
  | { readonly call: 'utime'; readonly path: ByteString; readonly time: TarTime };

const TYPE_BITS = { char: 0o020000, block: 0o060000, fifo: 0o010000, socket: 0o140000 } as const;

/** Linux's encoding of a device number in mknod(2). */
export function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

const toBytes = (text: ByteString) => Buffer.from(text, 'latin1');

/** @throws ImageError: a NUL byte would end the name */
function nameBytes(name: ByteString): Buffer {
  if (!name.includes('\0')) return toBytes(name);
  throw new ImageError('the archive holds a name with a NUL byte');
}

const REGULAR = 0o100000;

/** A device, or what stands for it: overlayfs's 0/0 may be made everywhere. */
function nodeCalls(
  path: Buffer,
  { type, mode, uid, gid, device }: SystemCall & { readonly call: 'mknod' },
): FileCall[] {
  const isDevice = (type === 'char' || type === 'block') && device !== 0;
  if (!isDevice || !inUserNamespace())
    return [{ call: 'mknod', path, mode: TYPE_BITS[type] | mode, device, uid, gid }];
  const [name, value] = [DEVICE_MARK, deviceMark({ type, device })].map(toBytes) as [
    Buffer,
    Buffer,
  ];
  return [
    { call: 'mknod', path, mode: REGULAR | mode, device: 0, uid, gid },
    { call: 'setxattr', path, name, value },
  ];
}

function asFileCalls(call: SystemCall): FileCall[] {
  const path = nameBytes(call.path);
  switch (call.call) {
    case 'mknod':
      return nodeCalls(path, call);
    case 'setxattr':
      return [{ call: 'setxattr', path, name: nameBytes(call.name), value: toBytes(call.value) }];
    case 'utime':
      return [{ call: 'utime', path, ...call.time }];
  }
}

const ATTRIBUTES_HINT =
  'the file system of the store must support what the image uses (extended attributes, devices)';

/** A FIFO or device of somebody who is not in the user namespace is not made: chown(2) refuses that. */
const isOfStranger = (call: SystemCall | undefined) =>
  call?.call === 'mknod' && inUserNamespace() && !isMapped(call);

/** As an error of the layer, with the attribute that could not be set. */
function asImageError(error: unknown, calls: readonly SystemCall[]): unknown {
  const { code, syscall, path, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === 'ENOSPC' || code === 'EDQUOT') return error;
  const bytes = Buffer.from(path ?? '').toString('latin1');
  const call = calls.find((one) => one.path === bytes && one.call === syscall);
  const what = call?.call === 'setxattr' ? `setxattr ${display(call.name)}` : syscall;
  const reason = /: (.*), /.exec(message)?.[1];
  return new ImageError(`cannot unpack the layer: ${what} of ${display(bytes)}: ${reason}`, {
    hint: isOfStranger(call) ? strangersHint() : ATTRIBUTES_HINT,
    cause: error,
  });
}

/**
 * Carries the calls out, in order.
 * @param directory trusted path where the calls' relative paths start; no component but the last may
 *   be a symlink
 * @throws ImageError when a name has a NUL byte or a call fails, IsolationError; ENOSPC, EDQUOT
 */
export async function runSystemCalls(
  directory: string,
  calls: readonly SystemCall[],
): Promise<void> {
  if (calls.length === 0) return;
  await setFiles(directory, calls.flatMap(asFileCalls)).catch((error) => {
    throw asImageError(error, calls);
  });
}

/** The same while an archive is read: what it holds next may build on them. */
export function runSystemCallsNow(directory: string, calls: readonly SystemCall[]): void {
  if (calls.length === 0) return;
  try {
    setFilesNow(directory, calls.flatMap(asFileCalls));
  } catch (error) {
    throw asImageError(error, calls);
  }
}
