/** The fields of a header block and of pax records (POSIX.1-2017, pax, "ustar" and "Extended Header"). */
import { ImageError } from '../image-error.js';
import type { ByteString, TarTime } from './entry.js';

/** Values of pax records; a key that may repeat (GNU.sparse 0.0) keeps all of them in order. */
export type PaxRecords = ReadonlyMap<string, readonly ByteString[]>;

/** Text up to the first NUL. */
export function textField(block: Buffer, offset: number, length: number): ByteString {
  const end = block.indexOf(0, offset);
  return block.toString(
    'latin1',
    offset,
    end === -1 || end > offset + length ? offset + length : end,
  );
}

function base256(block: Buffer, offset: number, length: number): number {
  const negative = block[offset] === 0xff;
  let value = negative ? -1 : (block[offset] as number) & 0x7f;
  for (let at = offset + 1; at < offset + length; at++) value = value * 256 + (block[at] as number);
  return value;
}

/**
 * Octal digits, or GNU's base-256 form for what they can't hold; 0 when empty.
 * @throws ImageError for anything else
 */
export function numberField(block: Buffer, offset: number, length: number): number {
  if (((block[offset] as number) & 0x80) !== 0) {
    const value = base256(block, offset, length);
    if (!Number.isSafeInteger(value)) throw new ImageError('a number in the archive is too large');
    return value;
  }
  let value = 0;
  let started = false;
  for (let at = offset; at < offset + length; at++) {
    const byte = block[at] as number;
    if (byte >= 0x30 && byte <= 0x37) {
      value = value * 8 + byte - 0x30;
      started = true;
    } else if (byte === 0 || (byte === 0x20 && started)) break;
    else if (byte !== 0x20) throw new ImageError('a number in the archive is not octal');
  }
  return value;
}

/** Sum of the header's bytes with its checksum field as blanks. */
export function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < 148; at++) sum += block[at] as number;
  for (let at = 156; at < 512; at++) sum += block[at] as number;
  return sum;
}

/**
 * Reads the records `LENGTH KEY=VALUE\n`. Values stay bytes: xattrs are binary.
 * @throws ImageError when a record's length doesn't fit
 */
export function parsePax(data: Buffer): PaxRecords {
  const records = new Map<string, ByteString[]>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const digits = space === -1 ? '' : data.toString('latin1', at, space);
    const end = at + Number(digits);
    const equals = data.indexOf(0x3d, space);
    if (!/^[0-9]{1,9}$/.test(digits) || end > data.length || equals === -1 || equals >= end) {
      throw new ImageError('a pax record in the archive is damaged');
    }
    if (data[end - 1] !== 0x0a) throw new ImageError('a pax record in the archive has no end');
    const key = data.toString('latin1', space + 1, equals);
    const value = data.toString('latin1', equals + 1, end - 1);
    const values = records.get(key);
    if (values === undefined) records.set(key, [value]);
    else values.push(value);
    at = end;
  }
  return records;
}

/** A decimal number of a pax record. @throws ImageError when it is none, or not exact in a double */
export function decimal(key: string, text: ByteString): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new ImageError(`the pax record ${key} in the archive is not a number`);
  }
  return value;
}

/** Seconds with a fraction, cut to nanoseconds towards the past. @throws ImageError */
export function parseTime(text: ByteString): TarTime {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw new ImageError('a time in the archive is not a number');
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? '').padEnd(9, '0').slice(0, 9));
  if (match[1] === '') return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: 0 - seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}
