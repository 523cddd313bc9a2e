/**
 * Reads a tar archive as it arrives. wiac has its own reader because tar-stream decodes pax values
 * as UTF-8, which destroys binary xattrs such as security.capability, doesn't know sparse files,
 * and goes through a stream and several ticks for each member, where this one calls a function.
 */
import { ImageError } from '../image-error.js';
import type { SparseSegment, TarEntry } from './entry.js';
import { BLOCK, padding } from './entry.js';
import type { PaxRecords } from './fields.js';
import { checksum, numberField, parsePax, textField } from './fields.js';
import type { Extensions } from './header.js';
import { mapGoesOn, NO_RECORDS, parseHeader } from './header.js';
import { gnuSegments } from './sparse.js';

/** Takes the data of one file; `write` gets pieces of any size, valid during the call only. */
export interface EntrySink {
  write(piece: Buffer): void;
  end(): void;
}

export interface TarParser {
  /** Bytes of the archive that were read or skipped; within `onEntry` its data begins there. */
  readonly position: number;
  /** Reads on; calls `onEntry` and its sinks synchronously. @throws ImageError */
  write(chunk: Buffer): void;
  /** Skips what is left of a file that no sink takes: the next byte to write is at `position` then. */
  skip(): void;
  /** @throws ImageError when the archive ends in the middle of an entry */
  end(): void;
}

/** Long names and pax records (a record for each xattr, at most 64 KiB on Linux) fit by far. */
const MAX_EXTENSION = 4 << 20;

/**
 * Bytes of all records that hold for the rest of the archive: git writes one of 52. They are looked at for every
 * member that follows, so that more would let a small archive take hours.
 */
const MAX_GLOBAL = 16 << 10;

const EXTENSIONS = new Set(['x', 'X', 'g', 'L', 'K']);

const cut = () => new ImageError('the archive ends in the middle of an entry');

function verified(block: Buffer): void {
  if (numberField(block, 148, 8) !== checksum(block)) {
    throw new ImageError('the archive is damaged, or not a tar archive', {
      hint: 'pull the image again; if that does not help, it was pushed damaged',
    });
  }
}

/** Stands for the end of the archive among its pieces, none of which is empty. */
const END = Buffer.alloc(0);

/** Stands for all that is left of a file that no sink takes. */
const SKIPPED = Buffer.alloc(0);

/**
 * Reads an archive top to bottom: it asks for so many bytes at most, and gets a piece of one byte or
 * more. A piece is valid until the next one is asked for.
 */
type Reading<T> = Generator<number, T, Buffer>;

/** What is left of the file that is being read, when no sink takes it. */
interface Unwanted {
  bytes: number;
}

const isZero = (block: Buffer) => block[0] === 0 && block.every((byte) => byte === 0);

/** All of something in one piece. @param first its first bytes */
function* gather(first: Buffer, count: number): Reading<Buffer> {
  if (first === END) throw cut();
  if (first.length === count) return first;
  const whole = Buffer.alloc(count);
  for (let filled = first.copy(whole); filled < count; ) {
    const piece = yield count - filled;
    if (piece === END) throw cut();
    filled += piece.copy(whole, filled);
  }
  return whole;
}

/** The data of a file goes where the caller wants it; what fills its last block goes nowhere. */
function* readFile(size: number, sink: EntrySink | undefined, unwanted: Unwanted): Reading<void> {
  for (let missing = size; missing > 0; ) {
    if (sink === undefined) unwanted.bytes = missing;
    const piece = yield missing;
    unwanted.bytes = 0;
    if (piece === END) throw cut();
    sink?.write(piece);
    missing = piece === SKIPPED ? 0 : missing - piece.length;
  }
  // A file ends with its last byte: what follows may be long in coming.
  sink?.end();
  const rest = padding(size);
  for (let missing = rest; missing > 0; ) {
    const piece = yield missing;
    // umoci insert leaves out what would fill the last block of all, as it does with the end mark.
    if (piece === END && missing === rest) return;
    if (piece === END) throw cut();
    missing -= piece.length;
  }
}

/** The data of an extension, which has to be complete to mean anything. */
function* readExtension(block: Buffer): Reading<Buffer> {
  const size = numberField(block, 124, 12);
  if (size < 0 || size > MAX_EXTENSION)
    throw new ImageError('an extended header in the archive is too large');
  if (size === 0) return block.subarray(0, 0);
  const count = size + padding(size);
  const data = yield* gather(yield count, count);
  return data.subarray(0, size);
}

/** The map of GNU's sparse files, where it does not fit into the header. */
function* readMap(): Reading<SparseSegment[]> {
  const segments: SparseSegment[] = [];
  for (;;) {
    const block = yield* gather(yield BLOCK, BLOCK);
    segments.push(...gnuSegments(block, 0, 21));
    if (segments.length * 24 > MAX_EXTENSION)
      throw new ImageError('the map of a sparse file in the archive is too large');
    if (block[504] === 0) return segments;
  }
}

/** @throws ImageError when there are too many */
function extendGlobal(former: PaxRecords, data: Buffer): PaxRecords {
  const global = new Map([...former, ...parsePax(data)]);
  let bytes = 0;
  for (const [key, values] of global)
    for (const value of values) bytes += key.length + value.length;
  if (bytes > MAX_GLOBAL)
    throw new ImageError('the global extended headers in the archive are too large');
  return global;
}

/** What an extension says of the next entry, or, if it is global, of all that follow. */
function extend(extended: Extensions, flag: string, data: Buffer): Extensions {
  if (flag === 'L') return { ...extended, gnuName: textField(data, 0, data.length) };
  if (flag === 'K') return { ...extended, gnuLinkName: textField(data, 0, data.length) };
  if (flag === 'g') return { ...extended, global: extendGlobal(extended.global, data) };
  return { ...extended, pax: parsePax(data) };
}

/** What holds for an entry without extensions of its own. */
function onlyGlobal(global: PaxRecords): Extensions {
  return { global, pax: NO_RECORDS, gnuName: undefined, gnuLinkName: undefined };
}

const isExtended = ({ pax, gnuName, gnuLinkName }: Extensions) =>
  pax !== NO_RECORDS || gnuName !== undefined || gnuLinkName !== undefined;

/** Two blocks of zeros end an archive. Some writers leave one or both out, as old tars do. */
function* readEndMark(): Reading<void> {
  const piece = yield BLOCK;
  if (piece === END) return;
  const block = yield* gather(piece, BLOCK);
  if (!isZero(block)) throw new ImageError('the archive goes on behind an end mark');
}

function* readArchive(
  onEntry: (entry: TarEntry) => EntrySink | undefined,
  unwanted: Unwanted,
): Reading<void> {
  let extended = onlyGlobal(NO_RECORDS);
  for (;;) {
    const piece = yield BLOCK;
    // The layer's digest vouches for an archive without an end mark.
    if (piece === END && !isExtended(extended)) return;
    if (piece === END) throw cut();
    const block = piece.length === BLOCK ? piece : yield* gather(piece, BLOCK);
    if (isZero(block)) {
      if (isExtended(extended)) throw cut();
      return yield* readEndMark();
    }
    verified(block);
    const flag = block.toString('latin1', 156, 157);
    if (EXTENSIONS.has(flag)) {
      extended = extend(extended, flag, yield* readExtension(block));
      continue;
    }
    const entry = mapGoesOn(block)
      ? parseHeader(Buffer.from(block), extended, yield* readMap())
      : parseHeader(block, extended, []);
    extended = onlyGlobal(extended.global);
    const sink = onEntry(entry);
    // Most entries have no data: a generator for each takes as long as half of its header.
    if (entry.size > 0) yield* readFile(entry.size, sink, unwanted);
    else sink?.end();
  }
}

/**
 * A parser that calls `onEntry` for each entry, which returns where the data of a file goes
 * (undefined: nowhere).
 */
export function createTarParser(onEntry: (entry: TarEntry) => EntrySink | undefined): TarParser {
  const unwanted: Unwanted = { bytes: 0 };
  const archive = readArchive(onEntry, unwanted);
  let wanted = archive.next();
  let position = 0;
  return {
    get position() {
      return position;
    },
    write(chunk) {
      for (let at = 0; at < chunk.length && !wanted.done; ) {
        const piece = chunk.subarray(at, at + wanted.value);
        at += piece.length;
        position += piece.length;
        wanted = archive.next(piece);
      }
    },
    skip() {
      if (unwanted.bytes === 0) return;
      position += unwanted.bytes;
      wanted = archive.next(SKIPPED);
    },
    end() {
      if (!wanted.done) wanted = archive.next(END);
    },
  };
}
