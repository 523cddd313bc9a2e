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

/** A number of a header; what doesn't fit is in a pax record, and readers take that. */
function octal(value: number, length: number): string {
  const digits = value.toString(8).padStart(length - 1, '0');
  const fits = value >= 0 && digits.length < length;
  return `${fits ? digits : '0'.repeat(length - 1)}\0`;
}

/** Text of a header, cut or filled with NULs. */
function text(value: ByteString, length: number): ByteString {
  return value.slice(0, length).padEnd(length, '\0');
}

function block(entry: TarEntry, name: ByteString, prefix: ByteString, flag: string): Buffer {
  const { mode, uid, gid, size, mtime, linkName, major, minor } = entry;
  const time = octal(mtime.seconds, 12);
  const identity = `${text(name, NAME_LENGTH)}${octal(mode, 8)}${octal(uid, 8)}${octal(gid, 8)}${octal(size, 12)}${time}`;
  const owners = '\0'.repeat(64);
  const rest = `${flag}${text(linkName, NAME_LENGTH)}ustar\x0000${owners}${octal(major, 8)}${octal(minor, 8)}${text(prefix, PREFIX_LENGTH)}`;
  // One write for all fields, into the pool: what is made here is made for each file.
  const header = Buffer.from(text(`${identity}        ${rest}`, BLOCK), 'latin1');
  // Six digits, NUL, blank: so since the first tar.
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
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
