/**
 * /etc/ld.so.cache: which file ldconfig(8) found for each library name. The format is that of
 * glibc since 2.2, "glibc-ld.so.cache1.1", alone or behind the older "ld.so-1.7.0" table.
 */
import { readFileSync } from 'node:fs';

const MAGIC = 'glibc-ld.so.cache1.1';
const HEADER_BYTES = 48;
const ENTRY_BYTES = 24;
/** Byte 28 of the header since glibc 2.33; 0 in older caches, which are in native order. */
const BIG_ENDIAN_FLAG = 3;

/** Paths by library name; several where other classes or machines have a library of that name. */
export type LoaderCache = ReadonlyMap<string, readonly string[]>;

function readString(bytes: Buffer, at: number): string | undefined {
  const end = at < bytes.length ? bytes.indexOf(0, at) : -1;
  return end < 0 ? undefined : bytes.toString('utf8', at, end);
}

/**
 * Reads the content of an ld.so.cache. Entries for special processors (glibc-hwcaps) are left out:
 * a layer also runs on machines that lack what this one has. The flags for class and machine are
 * not read; the library's own header, which the linker checks as well, has both.
 * @returns undefined when it is not a cache of this format, or a damaged one
 */
export function parseLoaderCache(content: Buffer): LoaderCache | undefined {
  const start = content.indexOf(MAGIC, 0, 'latin1');
  if (start < 0 || content.length < start + HEADER_BYTES) return undefined;
  // Strings are addressed from the start of this header, also behind an older table.
  const bytes = content.subarray(start);
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = bytes[28] !== BIG_ENDIAN_FLAG;
  const count = data.getUint32(20, littleEndian);
  if (HEADER_BYTES + count * ENTRY_BYTES > bytes.length) return undefined;
  const cache = new Map<string, string[]>();
  for (let index = 0; index < count; index += 1) {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    const name = readString(bytes, data.getUint32(at + 4, littleEndian));
    const path = readString(bytes, data.getUint32(at + 8, littleEndian));
    if (name === undefined || path === undefined) return undefined;
    if (data.getBigUint64(at + 16, littleEndian) !== 0n) continue;
    const paths = cache.get(name);
    if (paths) paths.push(path);
    else cache.set(name, [path]);
  }
  return cache;
}

/** The cache in a file; undefined when there is none that can be read. */
export function readLoaderCache(path: string): LoaderCache | undefined {
  try {
    return parseLoaderCache(readFileSync(path));
  } catch {
    // The linker goes on without it as well.
    return undefined;
  }
}
