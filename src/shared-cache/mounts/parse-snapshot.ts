/** Reads lists of files. They come from elsewhere: nothing is used before its shape is checked. */
import { gunzipSync } from 'node:zlib';
import { isDigest } from '../../oci/blob-digest.js';
import { getMessage, ImageError } from '../../oci/image-error.js';
import type { ByteString } from '../../util/byte-string.js';
import type { Row } from './encode-snapshot.js';
import { decodeEntry } from './encode-snapshot.js';
import type { ListedMount, Pack, Snapshot, SnapshotEntry } from './snapshot.js';
import { PACK_BYTES, PACK_TYPES, SNAPSHOT_VERSION } from './snapshot.js';

/** Bytes of a list of files, compressed and not. Some hundred bytes a file: more than a million. */
export const MAX_FILES_BYTES = 128 << 20;
const MAX_JSON_BYTES = 256 << 20;

/** A list is digests for the most part: no honest one becomes larger than so many times its size. */
const MAX_RATIO = 64;
const RATIO_FREE_BYTES = 4 << 20;

const HEX = /^[0-9a-f]{64}$/;
const NAME = /^[0-9a-f]{32}$/;
/** Longest name of a file and longest path that Linux takes. */
const MAX_NAME = 255;
const MAX_PATH = 256 << 10;
const MAX_TARGET = 4095;
const MAX_OWNER = 2 ** 32 - 2;
const BILLION = 1e9;

function isCount(value: unknown, most = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;
}

/** Each byte as a character (util/byte-string.ts). */
function isBytes(value: unknown, most: number): value is ByteString {
  if (typeof value !== 'string' || value.length === 0 || value.length > most) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all bytes but NUL.
  return /^[\x01-\xff]+$/.test(value);
}

/** A path below the mount: no name in it means anything but itself. */
function isPath(value: unknown): value is ByteString {
  if (!isBytes(value, MAX_PATH)) return false;
  return value
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..' && name.length <= MAX_NAME);
}

function isPack(value: unknown): value is Pack {
  if (typeof value !== 'object' || value === null) return false;
  const { digest, size, compression, bytes } = value as Record<string, unknown>;
  return (
    typeof digest === 'string' &&
    isDigest(digest) &&
    isCount(size) &&
    Object.hasOwn(PACK_TYPES, String(compression)) &&
    isCount(bytes)
  );
}

/** Is it a mount of a list of entries? */
export function isListedMount(value: unknown): value is ListedMount {
  if (typeof value !== 'object' || value === null) return false;
  const { name, id, files, packs, count, bytes, created } = value as Record<string, unknown>;
  const { root } = value as { root?: Record<string, unknown> };
  const { digest, size } = (files ?? {}) as Record<string, unknown>;
  return (
    typeof name === 'string' &&
    NAME.test(name) &&
    typeof id === 'string' &&
    typeof digest === 'string' &&
    isDigest(digest) &&
    isCount(size) &&
    isCount(root?.mode, 0o7777) &&
    isCount(root?.uid, MAX_OWNER) &&
    isCount(root?.gid, MAX_OWNER) &&
    Array.isArray(packs) &&
    packs.every(isPack) &&
    [count, bytes, created].every((number) => isCount(number))
  );
}

function areAttributes([uid, gid, seconds, nanoseconds]: readonly unknown[]): boolean {
  return (
    isCount(uid, MAX_OWNER) &&
    isCount(gid, MAX_OWNER) &&
    Number.isSafeInteger(seconds) &&
    isCount(nanoseconds, BILLION - 1)
  );
}

/** Reads the rows of one list, one after the other, with what the former ones have said. */
function rowParser(packs: readonly Pack[]): (row: unknown) => SnapshotEntry | undefined {
  const types = new Map<ByteString, SnapshotEntry['type']>();

  const hasRoom = (path: ByteString) => {
    const end = path.lastIndexOf('/');
    return !types.has(path) && (end === -1 || types.get(path.slice(0, end)) === 'directory');
  };
  const isContent = ([used, digest, pack, offset, size]: readonly unknown[]) => {
    if (!isCount(used) || typeof digest !== 'string' || !HEX.test(digest)) return false;
    if (!isCount(pack) || !isCount(offset) || !isCount(size)) return false;
    return size === 0 || offset + size <= (packs[pack]?.bytes ?? -1);
  };
  const isRow = (row: unknown): row is Row => {
    if (!Array.isArray(row)) return false;
    const [kind, path, ...rest] = row;
    if (!isPath(path) || !hasRoom(path)) return false;
    if (kind === 'h') return isPath(rest[0]) && types.get(rest[0]) === 'file';
    if (!areAttributes(rest)) return false;
    if (kind === 'l') return isBytes(rest[4], MAX_TARGET);
    if (!isCount(rest[4], 0o7777)) return false;
    return kind === 'd' || (kind === 'f' && isContent(rest.slice(5)));
  };
  return (row) => {
    if (!isRow(row)) return undefined;
    const entry = decodeEntry(row);
    types.set(entry.path, entry.type);
    return entry;
  };
}

/** Contents lie beside each other, or are the same: nothing is read twice, and nothing is large twice. */
function checkPlaces(entries: readonly SnapshotEntry[], refuse: (why: string) => never): void {
  const files = entries
    .filter((entry) => entry.type === 'file')
    .filter(({ place }) => place.size > 0);
  const sorted = files.toSorted(
    ({ place: a }, { place: b }) => a.pack - b.pack || a.offset - b.offset || a.size - b.size,
  );
  for (const [at, { place, digest }] of sorted.entries()) {
    const next = sorted[at + 1];
    if (next === undefined || next.place.pack !== place.pack) continue;
    const { offset, size } = next.place;
    if (offset >= place.offset + place.size) continue;
    const same = offset === place.offset && size === place.size && next.digest === digest;
    if (!same) refuse('contents that overlap');
    if (size > PACK_BYTES) refuse('a large content with several names');
  }
}

/**
 * Makes entries of the rows of a list.
 * @param title where they come from, for messages
 * @throws ImageError
 */
export function parseRows(rows: unknown, packs: readonly Pack[], title: string): SnapshotEntry[] {
  const refuse = (why: string): never => {
    throw new ImageError(`the cache mount of ${title} is damaged: it has ${why}`);
  };
  if (!Array.isArray(rows)) return refuse('no list of files');
  const parse = rowParser(packs);
  const entries = rows.map((row, at) => parse(row) ?? refuse(`no valid file in row ${at}`));
  checkPlaces(entries, refuse);
  return entries;
}

/**
 * Reads a list of files.
 * @param title where it comes from, for messages
 * @throws ImageError for anything that is no list of this version
 */
export function parseFiles(bytes: Uint8Array, packs: readonly Pack[], title: string): Snapshot {
  let value: unknown;
  try {
    const most = Math.min(MAX_JSON_BYTES, bytes.length * MAX_RATIO + RATIO_FREE_BYTES);
    value = JSON.parse(gunzipSync(bytes, { maxOutputLength: most }).toString());
  } catch (cause) {
    throw new ImageError(`the cache mount of ${title} can't be read: ${getMessage(cause)}`, {
      cause,
    });
  }
  const { version, files } = (value ?? {}) as { version?: unknown; files?: unknown };
  if (version !== SNAPSHOT_VERSION)
    throw new ImageError(
      `the cache mount of ${title} has version ${version}, this wiac knows ${SNAPSHOT_VERSION}`,
    );
  return { packs, entries: parseRows(files, packs, title) };
}
