/**
 * Is the index whole? Reads lmdb's file page by page, without lmdb, which maps the file, trusts it,
 * and takes the process down when it is damaged. The format is that of LMDB 1.0 (mdb.c: MDB_meta,
 * MDB_page, MDB_node, MDB_db, MDB_ovpage), with the list of free pages as lmdb-js writes it.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/**
 * Header of a page: number, transaction (8 bytes each), padding, flags, lower, upper (2 each). Places
 * in the page count from its end.
 */
const HEADER = 24;
const FLAGS = 18;
const LOWER = 20;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META_PAGE = 8;

/** Header of a node: low and high half of the size (or of a page's number), flags, size of the key. */
const NODE = 8;
const BIG_DATA = 1;
const SUB_DATA = 2;

/** Within a meta page. */
export const META = {
  magic: 24,
  freeDb: 48,
  mainDb: 96,
  lastPage: 144,
  transaction: 152,
  end: 160,
};
const MAGIC = 0xbeefc0de;

/** Within a description of a database: the page size (of the first one only) and the root page. */
export const PAGE_SIZE = 0;
const ROOT = 40;
const DB_BYTES = 48;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;

const UNKNOWN = 0;
const USED = 1;
const FREE = 2;

class Damage extends Error {}

/** What one look at the file takes. */
interface Audit {
  readonly descriptor: number;
  readonly pageSize: number;
  /** What each page of the newest transaction is. */
  readonly pages: Uint8Array;
}

function readAt(descriptor: number, at: number, length: number): Buffer | undefined {
  const bytes = Buffer.alloc(length);
  return readSync(descriptor, bytes, 0, length, at) === length ? bytes : undefined;
}

/** Marks pages as what they are; each is one thing only. */
function claim({ pages }: Audit, first: bigint, count: bigint, state: number): void {
  if (first < 2n || count < 1n || first + count > BigInt(pages.length))
    throw new Damage(`refers to page ${first}, which it does not have`);
  for (let page = Number(first); page < Number(first + count); page++) {
    if (pages[page] !== UNKNOWN) throw new Damage(`has two uses for page ${page}`);
    pages[page] = state;
  }
}

function readPage({ descriptor, pageSize }: Audit, number: bigint): Buffer {
  const page = readAt(descriptor, Number(number) * pageSize, pageSize);
  if (!page) throw new Damage(`is cut off before page ${number}`);
  if (page.readBigUInt64LE(0) !== number) throw new Damage(`has something else in page ${number}`);
  return page;
}

/** The nodes of a page: where they begin. */
function getNodes(page: Buffer, number: bigint): number[] {
  const count = page.readUInt16LE(LOWER) / 2;
  if (count < 0 || count * 2 + HEADER > page.length || !Number.isInteger(count))
    throw new Damage(`has nonsense in page ${number}`);
  return Array.from({ length: count }, (_, at) => {
    const node = page.readUInt16LE(HEADER + 2 * at) + HEADER;
    if (node + NODE > page.length) throw new Damage(`has nonsense in page ${number}`);
    return node;
  });
}

type OnValue = (value: Buffer) => void;

/** A value that has pages of its own. */
function readOverflow(audit: Audit, reference: Buffer, size: number, wanted: boolean): Buffer {
  const number = reference.readBigUInt64LE(0);
  const count = reference.readBigUInt64LE(16);
  claim(audit, number, count, USED);
  const page = readPage(audit, number);
  if ((page.readUInt16LE(FLAGS) & OVERFLOW) === 0)
    throw new Damage(`has something else in page ${number}`);
  const end = (Number(number) + Number(count)) * audit.pageSize;
  if (end > fstatSync(audit.descriptor).size) throw new Damage(`is cut off in page ${number}`);
  if (!wanted) return page;
  const value = readAt(audit.descriptor, Number(number) * audit.pageSize + HEADER, size);
  if (!value) throw new Damage(`is cut off in page ${number}`);
  return value;
}

function visitLeafNode(audit: Audit, page: Buffer, node: number, onValue?: OnValue): void {
  const size = page.readUInt16LE(node) | (page.readUInt16LE(node + 2) << 16);
  const flags = page.readUInt16LE(node + 4);
  const value = node + NODE + page.readUInt16LE(node + 6);
  const isBig = (flags & BIG_DATA) !== 0;
  const bytes = page.subarray(value, value + (isBig ? HEADER : size));
  if (bytes.length !== (isBig ? HEADER : size)) throw new Damage('has a value that does not end');
  if (isBig) {
    const read = readOverflow(audit, bytes, size, onValue !== undefined);
    onValue?.(read);
  } else if ((flags & SUB_DATA) !== 0) {
    if (size !== DB_BYTES) throw new Damage('has a database without a description');
    visitDatabase(audit, bytes);
  } else onValue?.(bytes);
}

/** All pages of a database whose description this is. */
function visitDatabase(audit: Audit, database: Buffer, onValue?: OnValue): void {
  const root = database.readBigUInt64LE(ROOT);
  const waiting = root === NO_ROOT ? [] : [root];
  for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) {
    claim(audit, number, 1n, USED);
    const page = readPage(audit, number);
    const flags = page.readUInt16LE(FLAGS);
    if ((flags & (BRANCH | LEAF)) === 0) throw new Damage(`has something else in page ${number}`);
    for (const node of getNodes(page, number)) {
      if ((flags & LEAF) !== 0) visitLeafNode(audit, page, node, onValue);
      else waiting.push(BigInt(page.readUIntLE(node, 6)));
    }
  }
}

/** Free pages: their number first, then pages; zeros between them; before a run of n pages, -n. */
function claimFree(audit: Audit, list: Buffer): void {
  const at = (index: number) => list.readBigInt64LE(index * 8);
  const count = Math.min(Number(at(0)), list.length / 8 - 1);
  for (let index = 1; index <= count; index++) {
    const entry = at(index);
    if (entry > 0n) claim(audit, entry, 1n, FREE);
    else if (entry < 0n && index < count) {
      index += 1;
      if (at(index) > 0n) claim(audit, at(index), -entry, FREE);
    }
  }
}

/** The newer one of the two pages at the beginning; `size` is that of a page. */
function readMeta(descriptor: number): { readonly meta: Buffer; readonly size: number } {
  const first = readAt(descriptor, 0, META.end);
  if (first?.readUInt32LE(META.magic) !== MAGIC) throw new Damage('is no lmdb database');
  const size = first.readUInt32LE(META.freeDb + PAGE_SIZE);
  const second = readAt(descriptor, size, META.end);
  if (second?.readUInt32LE(META.magic) !== MAGIC) throw new Damage('is no lmdb database');
  if ((first.readUInt16LE(FLAGS) & second.readUInt16LE(FLAGS) & META_PAGE) === 0)
    throw new Damage('is no lmdb database');
  const age = (meta: Buffer) => meta.readBigUInt64LE(META.transaction);
  return { meta: age(second) > age(first) ? second : first, size };
}

function withFile(file: string, action: (descriptor: number) => void): string | undefined {
  const descriptor = openSync(file, 'r');
  try {
    action(descriptor);
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    // Numbers that lead outside of a page.
    if (error instanceof RangeError) return 'has nonsense in it';
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Can lmdb open the file, as far as its beginning and its length tell?
 * @returns the damage; undefined when there is none
 */
export function glanceAtIndex(file: string): string | undefined {
  return withFile(file, (descriptor) => {
    const { meta, size } = readMeta(descriptor);
    const pages = Number(meta.readBigUInt64LE(META.lastPage)) + 1;
    // lmdb does not write free pages at the end: only reading all shows whether one is missing.
    if (fstatSync(descriptor).size < pages * size) {
      const problem = auditIndex(file);
      if (problem !== undefined) throw new Damage(problem);
    }
  });
}

/**
 * Reads all pages of the index. No process may write to it meanwhile, or the audit sees damage where there is none.
 * @returns the damage; undefined when there is none
 * @throws the file system's errors
 */
export function auditIndex(file: string): string | undefined {
  return withFile(file, (descriptor) => {
    const { meta, size: pageSize } = readMeta(descriptor);
    const lastPage = Number(meta.readBigUInt64LE(META.lastPage));
    if (lastPage >= 2 ** 32) throw new Damage('has nonsense in it');
    const audit: Audit = { descriptor, pageSize, pages: new Uint8Array(lastPage + 1) };
    visitDatabase(audit, meta.subarray(META.mainDb));
    visitDatabase(audit, meta.subarray(META.freeDb), (list) => claimFree(audit, list));
  });
}
