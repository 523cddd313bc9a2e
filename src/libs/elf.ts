/**
 * What the dynamic linker reads of an ELF file (System V ABI, "Object Files" and "Program Loading
 * and Dynamic Linking"): interpreter, needed libraries, search paths. Only the parts that are
 * needed are read, whatever the size of the file.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { UsageError } from '../errors.js';

/** What kind of machine code it is: libraries must be of the same. */
export interface ElfMachine {
  /** 32 or 64. */
  readonly bits: number;
  readonly littleEndian: boolean;
  /** e_machine, 62 is x86-64, 183 AArch64. */
  readonly machine: number;
}

/** The dynamic part of an ELF file. */
export interface ElfFile extends ElfMachine {
  /** PT_INTERP: the dynamic linker; undefined for libraries and static programs. */
  readonly interpreter: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_RPATH and DT_RUNPATH, split at colons, not expanded. */
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

/** More than any real file has; keeps a damaged header from asking for gigabytes. */
const MAX_PART_BYTES = 16 << 20;

interface Reader {
  readonly bytes: (offset: number, length: number) => DataView;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

function openReader(descriptor: number, path: string): Reader {
  const { size } = fstatSync(descriptor);
  return {
    bytes: (offset, length) => {
      if (length > MAX_PART_BYTES || offset + length > size) {
        throw new UsageError(
          `${path} is a damaged ELF file: it ends before byte ${offset + length}`,
        );
      }
      const buffer = new Uint8Array(length);
      readSync(descriptor, buffer, 0, length, offset);
      return new DataView(buffer.buffer);
    },
  };
}

function address(view: DataView, at: number, { bits, littleEndian }: ElfMachine): number {
  return bits === 64
    ? Number(view.getBigUint64(at, littleEndian))
    : view.getUint32(at, littleEndian);
}

function readSegments(reader: Reader, header: DataView, elf: ElfMachine): Segment[] {
  const wide = elf.bits === 64;
  const table = address(header, wide ? 32 : 28, elf);
  const entrySize = header.getUint16(wide ? 54 : 42, elf.littleEndian);
  const count = header.getUint16(wide ? 56 : 44, elf.littleEndian);
  const minimum = wide ? 56 : 32;
  if (count === 0 || entrySize < minimum) return [];
  const view = reader.bytes(table, entrySize * count);
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize;
    return {
      type: view.getUint32(at, elf.littleEndian),
      offset: address(view, at + (wide ? 8 : 4), elf),
      address: address(view, at + (wide ? 16 : 8), elf),
      size: address(view, at + (wide ? 32 : 16), elf),
    };
  });
}

function readText(view: DataView, at: number): string {
  const bytes = new Uint8Array(view.buffer, Math.min(at, view.byteLength));
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end)).toString();
}

function readDynamic(
  reader: Reader,
  segment: Segment,
  elf: ElfMachine,
): (readonly [number, number])[] {
  const view = reader.bytes(segment.offset, segment.size);
  const word = elf.bits / 8;
  const entries: (readonly [number, number])[] = [];
  for (let at = 0; at + 2 * word <= view.byteLength; at += 2 * word) {
    const tag = address(view, at, elf);
    if (tag === 0) break;
    entries.push([tag, address(view, at + word, elf)]);
  }
  return entries;
}

/** File offset of an address in memory. */
function toOffset(segments: readonly Segment[], target: number): number | undefined {
  const segment = segments.find(
    ({ type, address: start, size }) =>
      type === PT_LOAD && start <= target && target < start + size,
  );
  return segment && segment.offset + target - segment.address;
}

function parse(reader: Reader, elf: ElfMachine, header: DataView): ElfFile {
  const segments = readSegments(reader, header, elf);
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const interpreter = interp && readText(reader.bytes(interp.offset, interp.size), 0);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const entries = dynamic ? readDynamic(reader, dynamic, elf) : [];
  const value = (wanted: number) => entries.find(([tag]) => tag === wanted)?.[1];
  const strings = value(DT_STRTAB);
  const offset = strings === undefined ? undefined : toOffset(segments, strings);
  if (offset === undefined) return { ...elf, interpreter, needed: [], rpath: [], runpath: [] };
  const table = reader.bytes(offset, value(DT_STRSZ) ?? 0);
  const texts = (wanted: number) =>
    entries.filter(([tag]) => tag === wanted).map(([, at]) => readText(table, at));
  const paths = (wanted: number) =>
    texts(wanted).flatMap((text) => text.split(':').filter(Boolean));
  return {
    ...elf,
    interpreter,
    needed: texts(DT_NEEDED),
    rpath: paths(DT_RPATH),
    runpath: paths(DT_RUNPATH),
  };
}

/**
 * Reads an ELF file.
 * @returns undefined when the file is something else
 * @throws UsageError when it is an ELF file but damaged
 */
export function readElf(path: string): ElfFile | undefined {
  const descriptor = openSync(path, 'r');
  try {
    const start = new Uint8Array(64);
    const length = readSync(descriptor, start, 0, start.length, 0);
    if (length < 4 || Buffer.from(start.subarray(0, 4)).toString('latin1') !== '\x7fELF')
      return undefined;
    const [bits, order] = [start[4] === 1 ? 32 : 64, start[5]];
    if (length < (bits === 64 ? 64 : 52))
      throw new UsageError(`${path} is a damaged ELF file: its header is cut off`);
    const littleEndian = order !== 2;
    const header = new DataView(start.buffer);
    const elf = { bits, littleEndian, machine: header.getUint16(18, littleEndian) };
    return parse(openReader(descriptor, path), elf, header);
  } finally {
    closeSync(descriptor);
  }
}
