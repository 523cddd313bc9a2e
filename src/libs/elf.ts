/**
 * What the dynamic linker reads of an ELF file (System V ABI, "Object Files" and "Program Loading
 * and Dynamic Linking"): interpreter, needed libraries, search paths. Only the headers, the
 * dynamic section and the strings it names are read, whatever the size of the file.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { UsageError } from '../util/errors.js';

/** What kind of machine code it is: libraries must be of the same. */
export interface ElfMachine {
  /** 32 or 64. */
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  /** e_machine, 62 is x86-64, 183 AArch64. */
  readonly machine: number;
}

/** The dynamic part of an ELF file; all empty for a static program. */
export interface ElfFile extends ElfMachine {
  /** PT_INTERP: the dynamic linker; undefined for libraries and static programs. */
  readonly interpreter: string | undefined;
  /** DT_SONAME: the name by which others may need this library. */
  readonly soname: string | undefined;
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_RPATH and DT_RUNPATH, split at colons, tokens not expanded; undefined when absent. */
  readonly rpath: readonly string[] | undefined;
  readonly runpath: readonly string[] | undefined;
  /** DF_1_NODEFLIB (`ld -z nodefaultlib`): the built-in directories are not searched. */
  readonly noDefaultDirectories: boolean;
}

const ELF_HEADER_BYTES = { 32: 52, 64: 64 } as const;
const PROGRAM_HEADER_BYTES = { 32: 32, 64: 56 } as const;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_STRSZ = 10;
const DT_SONAME = 14;
const DT_RPATH = 15;
const DT_RUNPATH = 29;
const DT_FLAGS_1 = 0x6ffffffb;
const DF_1_NODEFLIB = 0x800;

/** More than any real part takes; keeps a damaged header from asking for gigabytes. */
const MAX_PART_BYTES = 4 << 20;
const STRING_CHUNK_BYTES = 256;

interface Reader {
  readonly path: string;
  readonly descriptor: number;
  readonly size: number;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

type DynamicEntry = readonly [tag: number, value: number];

function damaged(path: string, what: string): UsageError {
  return new UsageError(`${path} is a damaged ELF file: ${what}`);
}

function readBytes(reader: Reader, offset: number, length: number, what: string): Buffer {
  if (length > MAX_PART_BYTES) throw damaged(reader.path, `its ${what} is ${length} bytes long`);
  const bytes = Buffer.alloc(length);
  if (
    offset + length > reader.size ||
    readSync(reader.descriptor, bytes, 0, length, offset) !== length
  ) {
    throw damaged(reader.path, `its ${what} lies beyond the end of the file`);
  }
  return bytes;
}

function view(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Elf32_Addr or Elf64_Addr; above 2^53 inexact, which is beyond the end of any file anyway. */
function word(data: DataView, at: number, { bits, littleEndian }: ElfMachine): number {
  return bits === 64
    ? Number(data.getBigUint64(at, littleEndian))
    : data.getUint32(at, littleEndian);
}

function readSegments(reader: Reader, header: DataView, elf: ElfMachine): Segment[] {
  const wide = elf.bits === 64;
  const table = word(header, wide ? 32 : 28, elf);
  const entrySize = header.getUint16(wide ? 54 : 42, elf.littleEndian);
  const count = header.getUint16(wide ? 56 : 44, elf.littleEndian);
  // Object files have none.
  if (count === 0) return [];
  if (entrySize < PROGRAM_HEADER_BYTES[elf.bits]) {
    throw damaged(reader.path, `a program header of ${entrySize} bytes is too small`);
  }
  const data = view(readBytes(reader, table, entrySize * count, 'program header table'));
  return Array.from({ length: count }, (_, index) => {
    const at = index * entrySize;
    return {
      type: data.getUint32(at, elf.littleEndian),
      offset: word(data, at + (wide ? 8 : 4), elf),
      address: word(data, at + (wide ? 16 : 8), elf),
      size: word(data, at + (wide ? 32 : 16), elf),
    };
  });
}

function readInterpreter(reader: Reader, segment: Segment): string {
  const bytes = readBytes(reader, segment.offset, segment.size, 'interpreter name');
  const end = bytes.indexOf(0);
  if (end <= 0) throw damaged(reader.path, 'its interpreter name is empty or not terminated');
  return bytes.toString('utf8', 0, end);
}

function readEntries(reader: Reader, segment: Segment, elf: ElfMachine): DynamicEntry[] {
  const data = view(readBytes(reader, segment.offset, segment.size, 'dynamic section'));
  const bytes = elf.bits / 8;
  const entries: DynamicEntry[] = [];
  for (let at = 0; at + 2 * bytes <= data.byteLength; at += 2 * bytes) {
    const tag = word(data, at, elf);
    // DT_NULL ends the section; linkers leave spare entries after it.
    if (tag === 0) break;
    entries.push([tag, word(data, at + bytes, elf)]);
  }
  return entries;
}

/** File offset of an address in memory. */
function fileOffset(segments: readonly Segment[], address: number): number | undefined {
  const segment = segments.find(
    (item) =>
      item.type === PT_LOAD && item.address <= address && address < item.address + item.size,
  );
  return segment && segment.offset + address - segment.address;
}

/** A string of the table; string tables of C++ libraries have megabytes, so only it is read. */
function readString(reader: Reader, table: number, tableSize: number, index: number): string {
  for (let length = STRING_CHUNK_BYTES; ; length *= 2) {
    const available = Math.min(length, tableSize - index);
    if (available <= 0) throw damaged(reader.path, 'a string lies outside of its string table');
    const bytes = readBytes(reader, table + index, available, 'string table');
    const end = bytes.indexOf(0);
    if (end >= 0) return bytes.toString('utf8', 0, end);
    if (available < length) throw damaged(reader.path, 'a string is not terminated');
  }
}

function readStrings(
  reader: Reader,
  segments: readonly Segment[],
  entries: readonly DynamicEntry[],
): (tag: number) => string[] {
  const value = (wanted: number) => entries.find(([tag]) => tag === wanted)?.[1];
  const address = value(DT_STRTAB);
  const table = address === undefined ? undefined : fileOffset(segments, address);
  return (wanted) =>
    entries
      .filter(([tag]) => tag === wanted)
      .map(([, index]) => {
        if (table === undefined) throw damaged(reader.path, 'it has no dynamic string table');
        return readString(reader, table, value(DT_STRSZ) ?? 0, index);
      });
}

function parse(reader: Reader, elf: ElfMachine, header: DataView): ElfFile {
  const segments = readSegments(reader, header, elf);
  const interp = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const entries = dynamic ? readEntries(reader, dynamic, elf) : [];
  const strings = readStrings(reader, segments, entries);
  const flags = entries.find(([tag]) => tag === DT_FLAGS_1)?.[1] ?? 0;
  return {
    ...elf,
    interpreter: interp && readInterpreter(reader, interp),
    soname: strings(DT_SONAME)[0],
    needed: strings(DT_NEEDED),
    rpath: strings(DT_RPATH)[0]?.split(':'),
    runpath: strings(DT_RUNPATH)[0]?.split(':'),
    noDefaultDirectories: (flags & DF_1_NODEFLIB) !== 0,
  };
}

/** e_ident and e_machine. */
function readMachine(path: string, header: Buffer, length: number): ElfMachine {
  const bits = header[4] === 1 ? 32 : header[4] === 2 ? 64 : undefined;
  const order = header[5];
  if (length < ELF_HEADER_BYTES[32] || (bits && length < ELF_HEADER_BYTES[bits])) {
    throw damaged(path, 'its header is cut off');
  }
  if (bits === undefined) throw damaged(path, `there is no ELF class ${header[4]}`);
  if (order !== 1 && order !== 2) throw damaged(path, `there is no ELF byte order ${order}`);
  const littleEndian = order === 1;
  return { bits, littleEndian, machine: view(header).getUint16(18, littleEndian) };
}

/**
 * Reads the dynamic part of an ELF file of either class and byte order.
 * @param path for messages
 * @returns undefined when the file is something else
 * @throws UsageError when it is an ELF file but cut off or damaged
 */
export function readOpenElf(descriptor: number, path: string): ElfFile | undefined {
  const header = Buffer.alloc(ELF_HEADER_BYTES[64]);
  const length = readSync(descriptor, header, 0, header.length, 0);
  if (length < 4 || header.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const elf = readMachine(path, header, length);
  return parse({ path, descriptor, size: fstatSync(descriptor).size }, elf, view(header));
}

/** As readOpenElf, for a file of this machine. */
export function readElf(path: string): ElfFile | undefined {
  const descriptor = openSync(path, 'r');
  try {
    return readOpenElf(descriptor, path);
  } finally {
    closeSync(descriptor);
  }
}
