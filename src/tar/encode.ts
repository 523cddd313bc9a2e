/** Entries as header blocks: ustar, with pax records only for what ustar can't say (POSIX pax). */
import type { ByteString, TarEntry, TarType } from './entry.js';
import { BLOCK, padding } from './entry.js';
import { checksum } from './fields.js';

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

/** Writes a number in octal digits and a NUL. */
function putOctal(header: Buffer, value: number, offset: number, length: number): void {
  const end = offset + length - 1;
  let rest = value;
  for (let at = end - 1; at >= offset; at -= 1) {
    header[at] = ZERO + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  // What doesn't fit is in a pax record, and readers take that.
  if (rest !== 0) header.fill(ZERO, offset, end);
}

/** Writes text, cut to the field's length. */
function putText(header: Buffer, text: ByteString, offset: number, length: number): void {
  const end = Math.min(text.length, length);
  for (let at = 0; at < end; at += 1) header[offset + at] = text.charCodeAt(at);
}

/** Byte by byte: Node's own ways to write text take longer for fields as short as these. */
function block(entry: TarEntry, name: ByteString, prefix: ByteString, flag: string): Buffer {
  // From the pool: an allocation of its own for each file is what the collector would remember.
  const header = Buffer.allocUnsafe(BLOCK).fill(0);
  putText(header, name, 0, NAME_LENGTH);
  putOctal(header, entry.mode, 100, 8);
  putOctal(header, entry.uid, 108, 8);
  putOctal(header, entry.gid, 116, 8);
  putOctal(header, entry.size, 124, 12);
  putOctal(header, entry.mtime.seconds, 136, 12);
  putText(header, flag, 156, 1);
  putText(header, entry.linkName, 157, NAME_LENGTH);
  putText(header, 'ustar\x0000', 257, 8);
  putOctal(header, entry.major, 329, 8);
  putOctal(header, entry.minor, 337, 8);
  putText(header, prefix, 345, PREFIX_LENGTH);
  // Six digits, NUL, blank: so since the first tar.
  putOctal(header, checksum(header), 148, 7);
  header[155] = BLANK;
  return header;
}

function paxRecords(entry: TarEntry, nameFits: boolean): Map<string, ByteString> {
  const { name, linkName, uid, gid, size, mtime, xattrs } = entry;
  const records = new Map<string, ByteString>();
  if (!nameFits) records.set('path', name);
  if (linkName.length > NAME_LENGTH || !isAscii(linkName)) records.set('linkpath', linkName);
  if (uid > MAX_ID) records.set('uid', String(uid));
  if (gid > MAX_ID) records.set('gid', String(gid));
  if (size > MAX_SIZE) records.set('size', String(size));
  if (mtime.nanoseconds !== 0 || mtime.seconds < 0 || mtime.seconds > MAX_SIZE) {
    records.set('mtime', decimalTime(mtime));
  }
  for (const [key, value] of xattrs) records.set(`SCHILY.xattr.${key}`, value);
  return records;
}

/**
 * The blocks that precede an entry's data. uname and gname are empty: names mean nothing outside
 * of the image.
 * @param entry with a slash at the end of a directory's name; `sparse` is not written
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const split = splitName(entry.name);
  const [name, prefix] = split ?? [entry.name.slice(0, NAME_LENGTH), ''];
  const header = block(entry, name, prefix, FLAGS[entry.type]);
  const records = paxRecords(entry, split !== undefined);
  if (records.size === 0) return header;
  const text = [...records]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => paxRecord(key, value))
    .join('');
  const data = Buffer.alloc(text.length + padding(text.length));
  data.write(text, 'latin1');
  const zero = { seconds: 0, nanoseconds: 0 };
  const own = { ...entry, mode: 0o644, uid: 0, gid: 0, size: text.length, mtime: zero };
  const extended = block({ ...own, linkName: '', major: 0, minor: 0 }, 'PaxHeader', '', 'x');
  return Buffer.concat([extended, data, header]);
}
