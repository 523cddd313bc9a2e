/** Is the index a file that lmdb can read? lmdb maps it and trusts it: else the process crashes. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../errors.js';

/** The first two pages say what belongs to the newest transactions, behind a header of 24 bytes. */
const META = { magic: 24, pageSize: 48, lastPage: 144, transaction: 152, end: 160 } as const;

const MAGIC = 0xbeefc0de;

/** Reads every value of an index; databases are opened before, a cursor does not survive that. */
const READ_ALL = `
const { open } = require(process.argv[1]);
const index = open({ path: process.argv[2], readOnly: true, maxDbs: 64 });
const all = index.getKeys().asArray.map((name) => index.openDB({ name, encoding: 'binary' }));
for (const database of all) for (const { value } of database.getRange()) value.toString();
`;

function refuse(file: string, problem: string): never {
  throw new StoreError(`the index of the store is damaged: ${file} ${problem}`, {
    hint: 'remove the store and build again, or restore it from a backup',
  });
}

/** Undefined when the file is not that long. */
function readMeta(descriptor: number, at: number): Buffer | undefined {
  const page = Buffer.alloc(META.end);
  return readSync(descriptor, page, 0, page.length, at) === page.length ? page : undefined;
}

/** Does the file end before the last page that its newest transaction counts? */
function isShort(file: string, descriptor: number): boolean {
  const first = readMeta(descriptor, 0);
  if (first?.readUInt32LE(META.magic) !== MAGIC) refuse(file, 'is no lmdb database');
  const pageSize = first.readUInt32LE(META.pageSize);
  const second = readMeta(descriptor, pageSize);
  if (!second) return true;
  const age = (meta: Buffer) => meta.readBigUInt64LE(META.transaction);
  const newest = age(second) > age(first) ? second : first;
  const pages = Number(newest.readBigUInt64LE(META.lastPage)) + 1;
  return fstatSync(descriptor).size < pages * pageSize;
}

/** What lies behind the end of the file ends whoever reads it with SIGBUS. */
async function canBeRead(index: string): Promise<boolean> {
  const [{ execa }, { createRequire }] = await Promise.all([
    import('execa'),
    import('node:module'),
  ]);
  const lmdb = createRequire(import.meta.url).resolve('lmdb');
  const { failed } = await execa(process.execPath, ['-e', READ_ALL, lmdb, index], {
    reject: false,
  });
  return !failed;
}

/**
 * Looks at the index's file before lmdb does. An empty or missing one lmdb makes anew.
 * @throws StoreError when it is something else, or cut off
 */
export async function checkIndexFile(index: string): Promise<void> {
  const file = join(index, 'data.mdb');
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  let short: boolean;
  try {
    if (fstatSync(descriptor).size === 0) return;
    short = isShort(file, descriptor);
  } finally {
    closeSync(descriptor);
  }
  // lmdb does not write pages at the end that are free: only reading shows whether one is missing.
  if (short && !(await canBeRead(index))) refuse(file, 'is cut off');
}
