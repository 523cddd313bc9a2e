/**
 * Devices of a layer in a user namespace, where nobody can make one. An empty file has a mark that says which
 * device it is. Everything that reads layers takes it for the device: the layer has the digest, and the archive, that
 * it has where root makes them. A container sees the empty file. Nobody misses the device there: it could not be
 * opened anyway, and each container has a /dev of its own.
 */
import { inUserNamespace } from '../util/user-namespace.js';

/** The extended attribute: a letter for the type, as in `ls -l`, and the number as mknod(2) takes it. */
export const DEVICE_MARK = 'user.wiac.device';

/** A character or block device. */
export interface MarkedDevice {
  readonly type: 'char' | 'block';
  readonly device: number;
}

const TYPES = { c: 'char', b: 'block' } as const;
const VALUE = /^([cb]) ([1-9]\d{0,9})$/;

/** The mark's value. */
export function deviceMark({ type, device }: MarkedDevice): string {
  return `${type === 'char' ? 'c' : 'b'} ${device}`;
}

/** @returns undefined where the value is no mark: a program can write anything, but no 0, which removes a file */
export function parseDeviceMark(value: string): MarkedDevice | undefined {
  const [, letter, number] = VALUE.exec(value) ?? [];
  const device = Number(number);
  if (letter === undefined || device > 0xffffffff) return undefined;
  return { type: TYPES[letter as 'c' | 'b'], device };
}

type Xattrs<Value> = readonly (readonly [name: string, value: Value])[];

/**
 * Takes the mark out of the attributes of a file of a layer.
 * @param isEmpty has the file no content? A program may have written to it: then it is a file
 * @param read a value as text
 * @returns what is left, which are all attributes outside of a user namespace, and the device that the file stands for
 */
export function takeDeviceMark<Value>(
  xattrs: Xattrs<Value>,
  isEmpty: boolean,
  read: (value: Value) => string,
): { readonly xattrs: Xattrs<Value>; readonly device: MarkedDevice | undefined } {
  const mark = xattrs.find(([name]) => name === DEVICE_MARK);
  if (mark === undefined || !inUserNamespace()) return { xattrs, device: undefined };
  return {
    xattrs: xattrs.filter((one) => one !== mark),
    device: isEmpty ? parseDeviceMark(read(mark[1])) : undefined,
  };
}
