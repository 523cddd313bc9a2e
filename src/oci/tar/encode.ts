/** Entries as header blocks: ustar, with pax records only for what ustar can't say (POSIX pax). */
import type { ByteString, TarEntry, TarType } from './entry.js';
import { BLOCK, padding } from './entry.js';

const FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
};

/** Bytes of the fields, a terminating NUL not counted where one is needed. */
const NAME_LENGTH = 100;
const PREFIX_LENGTH = 155;
const MAX_ID = 0o7777777;
const MAX_SIZE = 0o77777777777;

const CHECKSUM_LENGTH = 8;

const ZERO = 0x30;
const BLANK = 0x20;

/** Is every byte of it ASCII? */
export function isAscii(text: ByteString): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL to DEL is what ASCII means.
  return /^[\x00-\x7f]*$/.test(text);
}

/** One record with its length in front, which counts its own digits. */
function paxRecord(key: string, value: ByteString): ByteString {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) {
    length = String(length).length + rest.length;
  }
  return `${length}${rest}`;
}

/** Name and prefix that give `name` with a slash between; undefined when it doesn't fit. */
function splitName(name: ByteString): readonly [ByteString, ByteString] | undefined {
  if (!isAscii(name)) return undefined;
  if (name.length <= NAME_LENGTH) return [name, ''];
  // A directory's own slash at the end must stay with it.
  const slash = name.indexOf('/', name.length - NAME_LENGTH - 1);
  if (slash < 1 || slash > PREFIX_LENGTH || slash === name.length - 1) return undefined;
  return [name.slice(slash + 1), name.slice(0, slash)];
}

function decimalTime({ seconds, nanoseconds }: TarEntry['mtime']): string {
  if (nanoseconds === 0) return String(seconds);
  const negative = seconds < 0;
  const whole = negative ? -seconds - 1 : seconds;
  const fraction = negative ? 1e9 - nanoseconds : nanoseconds;
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '');
  return `${negative ? '-' : ''}${whole}.${digits}`;
}

/**
 * Writes a number in octal digits, before a NUL.
 * @returns the sum of the digits' bytes, for the header's checksum
 */
function putOctal(bytes: Buffer, value: number, offset: number, length: number): number {
  let sum = 0;
  let rest = value;
  for (let at = offset + length - 2; at >= offset; at -= 1) {
    const digit = ZERO + (rest % 8);
    bytes[at] = digit;
    sum += digit;
    rest = Math.floor(rest / 8);
  }
  // What doesn't fit is in a pax record, and readers take that.
  return rest === 0 ? sum : putOctal(bytes, 0, offset, length);
}

/** Writes text, cut to the field's length. @returns the sum of its bytes */
function putText(bytes: Buffer, text: ByteString, offset: number, length: number): number {
  const end = Math.min(text.length, length);
  let sum = 0;
  for (let at = 0; at < end; at += 1) {
    const byte = text.charCodeAt(at);
    bytes[offset + at] = byte;
    sum += byte;
  }
  return sum;
}

/**
 * Writes the block of an entry at an offset. Byte by byte: Node's own ways to write text take longer
 * for fields as short as these.
 */
function putBlock(
  bytes: Buffer,
  at: number,
  entry: TarEntry,
  name: ByteString,
  prefix: ByteString,
  flag: string,
): void {
  bytes.fill(0, at, at + BLOCK);
  const sum =
    putText(bytes, name, at, NAME_LENGTH) +
    putOctal(bytes, entry.mode, at + 100, 8) +
    putOctal(bytes, entry.uid, at + 108, 8) +
    putOctal(bytes, entry.gid, at + 116, 8) +
    putOctal(bytes, entry.size, at + 124, 12) +
    putOctal(bytes, entry.mtime.seconds, at + 136, 12) +
    putText(bytes, flag, at + 156, 1) +
    putText(bytes, entry.linkName, at + 157, NAME_LENGTH) +
    putText(bytes, 'ustar\x0000', at + 257, 8) +
    putOctal(bytes, entry.major, at + 329, 8) +
    putOctal(bytes, entry.minor, at + 337, 8) +
    putText(bytes, prefix, at + 345, PREFIX_LENGTH);
  // The field of the sum counts as blanks. Six digits, NUL, blank: so since the first tar.
  putOctal(bytes, sum + CHECKSUM_LENGTH * BLANK, at + 148, CHECKSUM_LENGTH - 1);
  bytes[at + 148 + CHECKSUM_LENGTH - 1] = BLANK;
}

/** What a header block can't say, by key. */
function paxRecords(entry: TarEntry, nameFits: boolean): [key: string, value: ByteString][] {
  const { name, linkName, uid, gid, size, mtime, xattrs } = entry;
  const records: [string, ByteString][] = [];
  if (!nameFits) records.push(['path', name]);
  if (linkName.length > NAME_LENGTH || !isAscii(linkName)) records.push(['linkpath', linkName]);
  if (uid > MAX_ID) records.push(['uid', String(uid)]);
  if (gid > MAX_ID) records.push(['gid', String(gid)]);
  if (size > MAX_SIZE) records.push(['size', String(size)]);
  if (mtime.nanoseconds !== 0 || mtime.seconds < 0 || mtime.seconds > MAX_SIZE) {
    records.push(['mtime', decimalTime(mtime)]);
  }
  for (const [key, value] of xattrs) records.push([`SCHILY.xattr.${key}`, value]);
  return records;
}

/**
 * Blocks that precede an entry's own, where that can't say everything: pax records, and the header
 * that announces them.
 */
export function paxBlocks(entry: TarEntry): Buffer | undefined {
  const records = paxRecords(entry, splitName(entry.name) !== undefined);
  if (records.length === 0) return undefined;
  const text = records
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => paxRecord(key, value))
    .join('');
  const blocks = Buffer.alloc(BLOCK + text.length + padding(text.length));
  blocks.write(text, BLOCK, 'latin1');
  const zero = { seconds: 0, nanoseconds: 0 };
  const own = { ...entry, mode: 0o644, uid: 0, gid: 0, size: text.length, mtime: zero };
  putBlock(blocks, 0, { ...own, linkName: '', major: 0, minor: 0 }, 'PaxHeader', '', 'x');
  return blocks;
}

/**
 * Writes an entry's header block, which its data follows. uname and gname are empty: names mean
 * nothing outside of the image.
 * @param bytes room for one block, at the offset
 * @param entry with a slash at the end of a directory's name; `sparse` is not written
 */
export function putHeader(bytes: Buffer, at: number, entry: TarEntry): void {
  const [name, prefix] = splitName(entry.name) ?? [entry.name.slice(0, NAME_LENGTH), ''];
  putBlock(bytes, at, entry, name, prefix, FLAGS[entry.type]);
}
