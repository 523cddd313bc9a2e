/** Minimal ELF files and linker caches, byte by byte: tests can't count on a compiler. */

export const NEEDED = 1;
export const SONAME = 14;
export const RPATH = 15;
export const RUNPATH = 29;
export const FLAGS_1 = 0x6ffffffb;
export const NODEFLIB = 0x800;

export interface ElfShape {
  readonly bits?: 32 | 64;
  readonly littleEndian?: boolean;
  readonly machine?: number;
  readonly interpreter?: string;
  /** Strings become offsets into the string table. */
  readonly dynamic?: readonly (readonly [tag: number, value: string | number])[];
  /** False leaves the dynamic section out, as in a static program. */
  readonly isDynamic?: boolean;
}

const BASE_ADDRESS = 0x400000;

/** The bytes of an ELF file: header, three program headers, strings, dynamic section. */
export function elfBytes(shape: ElfShape = {}): Buffer {
  const { bits = 64, littleEndian = true, machine = 62, interpreter, isDynamic = true } = shape;
  const wide = bits === 64;
  const wordBytes = bits / 8;
  const [headerBytes, segmentBytes] = wide ? [64, 56] : [52, 32];
  const texts = (shape.dynamic ?? []).map(([, value]) => value);
  const strings: Buffer[] = [Buffer.from('\0')];
  const place = (text: string): number => {
    const at = Buffer.concat(strings).length;
    strings.push(Buffer.from(`${text}\0`));
    return at;
  };
  const values = texts.map((value) => (typeof value === 'string' ? place(value) : value));
  const table = Buffer.concat(strings);
  const name = Buffer.from(interpreter === undefined ? '' : `${interpreter}\0`);
  const tableAt = headerBytes + 3 * segmentBytes;
  const nameAt = tableAt + table.length;
  const dynamicAt = nameAt + name.length;
  const entries = [
    ...(shape.dynamic ?? []).map(([tag], index) => [tag, values[index] ?? 0]),
    [5, BASE_ADDRESS + tableAt],
    [10, table.length],
    [0, 0],
  ];
  const dynamicBytes = entries.length * 2 * wordBytes;
  const file = Buffer.alloc(dynamicAt + dynamicBytes);
  const data = new DataView(file.buffer, file.byteOffset, file.length);
  const half = (at: number, value: number) => data.setUint16(at, value, littleEndian);
  const full = (at: number, value: number) => data.setUint32(at, value, littleEndian);
  const word = (at: number, value: number) =>
    wide ? data.setBigUint64(at, BigInt(value), littleEndian) : full(at, value);
  file.write('\x7fELF', 'latin1');
  file[4] = wide ? 2 : 1;
  file[5] = littleEndian ? 1 : 2;
  half(18, machine);
  word(wide ? 32 : 28, headerBytes);
  half(wide ? 54 : 42, segmentBytes);
  half(wide ? 56 : 44, 3);
  const segments: [type: number, at: number, size: number][] = [
    [1, 0, file.length],
    [isDynamic ? 2 : 0, dynamicAt, dynamicBytes],
    [interpreter === undefined ? 0 : 3, nameAt, name.length],
  ];
  for (const [index, [type, at, size]] of segments.entries()) {
    const start = headerBytes + index * segmentBytes;
    full(start, type);
    word(start + (wide ? 8 : 4), at);
    word(start + (wide ? 16 : 8), BASE_ADDRESS + at);
    word(start + (wide ? 32 : 16), size);
  }
  table.copy(file, tableAt);
  name.copy(file, nameAt);
  for (const [index, [tag, value]] of entries.entries()) {
    word(dynamicAt + index * 2 * wordBytes, tag ?? 0);
    word(dynamicAt + (index * 2 + 1) * wordBytes, value ?? 0);
  }
  return file;
}

export interface CacheEntry {
  readonly name: string;
  readonly path: string;
  readonly hwcap?: bigint;
}

/** The bytes of an ld.so.cache in glibc's format. */
export function cacheBytes(entries: readonly CacheEntry[], littleEndian = true): Buffer {
  const stringsAt = 48 + entries.length * 24;
  const strings: Buffer[] = [];
  const place = (text: string): number => {
    const at = stringsAt + Buffer.concat(strings).length;
    strings.push(Buffer.from(`${text}\0`));
    return at;
  };
  const head = Buffer.alloc(stringsAt);
  const data = new DataView(head.buffer, head.byteOffset, head.length);
  head.write('glibc-ld.so.cache1.1', 'latin1');
  data.setUint32(20, entries.length, littleEndian);
  head[28] = littleEndian ? 2 : 3;
  for (const [index, { name, path, hwcap = 0n }] of entries.entries()) {
    const at = 48 + index * 24;
    data.setUint32(at, 0x303, littleEndian);
    data.setUint32(at + 4, place(name), littleEndian);
    data.setUint32(at + 8, place(path), littleEndian);
    data.setBigUint64(at + 16, hwcap, littleEndian);
  }
  return Buffer.concat([head, ...strings]);
}
