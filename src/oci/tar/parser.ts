/**
 * Reads a tar archive as it arrives. wiac has its own reader because tar-stream decodes pax values
 * as UTF-8, which destroys binary xattrs such as security.capability, doesn't know sparse files,
 * and goes through a stream and several ticks for each member, where this one calls a function.
 */
import { ImageError } from '../image-error.js';
import type { ByteString, SparseSegment, TarEntry } from './entry.js';
import { BLOCK, padding } from './entry.js';
import type { PaxRecords } from './fields.js';
import { checksum, numberField, parsePax, textField } from './fields.js';
import { mapGoesOn, NO_RECORDS, parseHeader } from './header.js';
import { gnuSegments } from './sparse.js';

/** Takes the data of one file; `write` gets pieces of any size, valid during the call only. */
export interface EntrySink {
  write(piece: Buffer): void;
  end(): void;
}

export interface TarParser {
  /** Reads on; calls `onEntry` and its sinks synchronously. @throws ImageError */
  write(chunk: Buffer): void;
  /** @throws ImageError when the archive ends in the middle of an entry */
  end(): void;
}

/** Long names and pax records (a record for each xattr, at most 64 KiB on Linux) fit by far. */
const MAX_EXTENSION = 4 << 20;

const EXTENSIONS = new Set(['x', 'X', 'g', 'L', 'K']);

const cut = () => new ImageError('the archive ends in the middle of an entry');

function verified(block: Buffer): void {
  if (numberField(block, 148, 8) !== checksum(block)) {
    throw new ImageError('the archive is damaged, or not a tar archive', {
      hint: 'pull the image again; if that does not help, it was pushed damaged',
    });
  }
}

/**
 * A parser that calls `onEntry` for each entry, which returns where the data of a file goes
 * (undefined: nowhere).
 */
export function createTarParser(onEntry: (entry: TarEntry) => EntrySink | undefined): TarParser {
  const scratch = Buffer.alloc(BLOCK);
  let filled = 0;
  let state: 'header' | 'map' | 'extension' | 'data' | 'padding' | 'end' = 'header';
  /** Bytes that the current state still takes, for all but blocks. */
  let missing = 0;
  let pad = 0;
  let zeroBlocks = 0;
  let sink: EntrySink | undefined;

  let flag = '';
  let pieces: Buffer[] = [];
  let global: PaxRecords = NO_RECORDS;
  let pax: PaxRecords = NO_RECORDS;
  let gnuName: ByteString | undefined;
  let gnuLinkName: ByteString | undefined;
  let sparseHeader: Buffer | undefined;
  let segments: SparseSegment[] = [];

  const startEntry = (block: Buffer) => {
    const entry = parseHeader(block, { global, pax, gnuName, gnuLinkName }, segments);
    pax = NO_RECORDS;
    gnuName = undefined;
    gnuLinkName = undefined;
    segments = [];
    sink = onEntry(entry);
    missing = entry.size;
    pad = padding(entry.size);
    state = 'data';
  };

  const header = (block: Buffer) => {
    if (block[0] === 0 && block.every((byte) => byte === 0)) {
      zeroBlocks += 1;
      if (zeroBlocks === 2) state = 'end';
      return;
    }
    if (zeroBlocks > 0) throw new ImageError('the archive goes on behind an end mark');
    verified(block);
    flag = block.toString('latin1', 156, 157);
    if (EXTENSIONS.has(flag)) {
      missing = numberField(block, 124, 12);
      if (missing < 0 || missing > MAX_EXTENSION) {
        throw new ImageError('an extended header in the archive is too large');
      }
      pad = padding(missing);
      pieces = [];
      state = 'extension';
    } else if (mapGoesOn(block)) {
      sparseHeader = Buffer.from(block);
      state = 'map';
    } else startEntry(block);
  };

  const mapBlock = (block: Buffer) => {
    segments.push(...gnuSegments(block, 0, 21));
    if (segments.length * 24 > MAX_EXTENSION) {
      throw new ImageError('the map of a sparse file in the archive is too large');
    }
    if (block[504] === 0 && sparseHeader !== undefined) startEntry(sparseHeader);
  };

  const extension = (data: Buffer) => {
    if (flag === 'L') gnuName = textField(data, 0, data.length);
    else if (flag === 'K') gnuLinkName = textField(data, 0, data.length);
    else if (flag === 'g') global = new Map([...global, ...parsePax(data)]);
    else pax = parsePax(data);
  };

  /** States of no more bytes pass at once, so that an empty file ends before the next header. */
  const settle = () => {
    if (missing > 0) return;
    if (state === 'data') {
      sink?.end();
      sink = undefined;
    } else if (state === 'extension') extension(Buffer.concat(pieces));
    if (state === 'data' || state === 'extension') {
      state = 'padding';
      missing = pad;
    }
    if (state === 'padding' && missing === 0) state = 'header';
  };

  /** Takes one block from the chunk; returns the bytes taken. */
  const takeBlock = (chunk: Buffer, at: number): number => {
    let block: Buffer = scratch;
    let taken = BLOCK;
    if (filled === 0 && chunk.length - at >= BLOCK) block = chunk.subarray(at, at + BLOCK);
    else {
      taken = chunk.copy(scratch, filled, at, at + BLOCK - filled);
      filled += taken;
      if (filled < BLOCK) return taken;
      filled = 0;
    }
    if (state === 'header') header(block);
    else mapBlock(block);
    settle();
    return taken;
  };

  return {
    write(chunk) {
      for (let at = 0; at < chunk.length && state !== 'end'; ) {
        if (state === 'header' || state === 'map') {
          at += takeBlock(chunk, at);
          continue;
        }
        const piece = chunk.subarray(at, at + missing);
        // The caller may reuse its chunk; an extension is kept until it is complete.
        if (state === 'extension') pieces.push(Buffer.from(piece));
        else if (state === 'data') sink?.write(piece);
        at += piece.length;
        missing -= piece.length;
        settle();
      }
    },
    end() {
      const extended = pax !== NO_RECORDS || gnuName !== undefined || gnuLinkName !== undefined;
      // Some writers leave the end mark out, as old tars do; the layer's digest vouches for it.
      if ((state !== 'header' && state !== 'end') || filled > 0 || extended) throw cut();
    },
  };
}
