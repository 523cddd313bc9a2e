/** One header block with the extended headers before it, as an entry. */
import { ImageError } from '../image-error.js';
import type { ByteString, SparseSegment, TarEntry, TarType } from './entry.js';
import { display } from './entry.js';
import type { PaxRecords } from './fields.js';
import { decimal, numberField, parseTime, textField } from './fields.js';
import { gnuSegments, paxSparse } from './sparse.js';

/** What the extended headers before a header said. */
export interface Extensions {
  /** Records for the rest of the archive. */
  readonly global: PaxRecords;
  readonly pax: PaxRecords;
  readonly gnuName: ByteString | undefined;
  readonly gnuLinkName: ByteString | undefined;
}

export const NO_RECORDS: PaxRecords = new Map();

const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  // A "contiguous" file is a file to everything but RTU, where nothing of this runs.
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
};

const XATTR = 'SCHILY.xattr.';

/** The header's own name; only POSIX ustar has a prefix, GNU uses these bytes for other things. */
function headerName(block: Buffer): ByteString {
  const name = textField(block, 0, 100);
  const posix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = posix ? textField(block, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function getXattrs(records: readonly PaxRecords[]): (readonly [ByteString, ByteString])[] {
  const found = new Map<string, ByteString>();
  for (const pax of records) {
    for (const [key, values] of pax) {
      if (key.startsWith(XATTR)) found.set(key.slice(XATTR.length), values.at(-1) ?? '');
    }
  }
  return [...found];
}

/** True for an old GNU sparse header whose map goes on in blocks behind it. */
export function mapGoesOn(block: Buffer): boolean {
  return block[156] === 0x53 && block[482] !== 0;
}

/**
 * @param block a header block whose checksum is right
 * @param moreSegments of an old GNU sparse file, from the blocks behind the header
 * @throws ImageError for a type that no layer can hold, and for damaged fields
 */
export function parseHeader(
  block: Buffer,
  extensions: Extensions,
  moreSegments: readonly SparseSegment[],
): TarEntry {
  const { global, pax } = extensions;
  // An empty value takes a record back.
  const record = (key: string) => (pax.get(key) ?? global.get(key))?.at(-1) || undefined;
  const number = (key: string, offset: number, length: number) => {
    const text = record(key);
    return text === undefined ? numberField(block, offset, length) : decimal(key, text);
  };
  const flag = block.toString('latin1', 156, 157);
  const name =
    record('GNU.sparse.name') ?? record('path') ?? extensions.gnuName ?? headerName(block);
  const known = TYPES[flag];
  if (known === undefined) {
    throw new ImageError(`the archive holds ${display(name)} of the unknown type ${display(flag)}`);
  }
  // Archives from before POSIX mark directories by their name only.
  const type = known === 'file' && flag !== 'S' && name.endsWith('/') ? 'dir' : known;
  const size = type === 'file' ? number('size', 124, 12) : 0;
  const uid = number('uid', 108, 8);
  const gid = number('gid', 116, 8);
  if (size < 0 || uid < 0 || gid < 0 || uid >= 0xffffffff || gid >= 0xffffffff) {
    throw new ImageError(`the archive gives ${display(name)} an impossible size or owner`);
  }
  const time = record('mtime');
  const device = type === 'char' || type === 'block';
  const sparse =
    flag === 'S'
      ? {
          realSize: numberField(block, 483, 12),
          segments: [...gnuSegments(block, 386, 4), ...moreSegments],
        }
      : type === 'file'
        ? paxSparse(pax)
        : undefined;
  return {
    name,
    type,
    mode: numberField(block, 100, 8) & 0o7777,
    uid,
    gid,
    size,
    mtime:
      time === undefined
        ? { seconds: numberField(block, 136, 12), nanoseconds: 0 }
        : parseTime(time),
    linkName: record('linkpath') ?? extensions.gnuLinkName ?? textField(block, 157, 100),
    major: device ? numberField(block, 329, 8) : 0,
    minor: device ? numberField(block, 337, 8) : 0,
    xattrs: getXattrs([global, pax]),
    sparse,
  };
}
