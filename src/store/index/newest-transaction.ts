/**
 * Which transaction of the index is the newest one. lmdb-js 3.5 forgets that now and then: a process that opens an
 * environment reads the number from the file, maps the file, and then sets the number in lock.mdb to what it has
 * read (mdb_env_open2), while others commit. The next writer would write over their transactions, and what still reads
 * these would find pages of others. So each writer looks into the file before it does anything, and sets the
 * number right: it alone may do so, having lmdb's mutex. Readers begin where the number says. Who must not miss
 * what others have done looks as well (transaction.ts: refresh).
 */
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { META, PAGE_SIZE } from './index-audit.js';

/** Where lock.mdb has the number of the newest transaction (mdb.c: MDB_txbody). Bytes. */
const NEWEST = 8;

export interface NewestTransaction {
  /**
   * Called first of all in a write transaction.
   * @returns false when the transaction must be given up and begun again: it was not based on the newest one
   */
  readonly isBase: () => boolean;
  /** @returns false when a reader that begins now may not see the newest one */
  readonly isSeen: () => boolean;
  readonly close: () => void;
}

/** The descriptor that lmdb has of a file: to close one of our own would give up its locks (fcntl(2)). */
function findDescriptor(path: string): number | undefined {
  const { dev, ino } = statSync(path);
  return readdirSync('/proc/self/fd')
    .map(Number)
    .find((descriptor) => {
      try {
        const stats = fstatSync(descriptor);
        return stats.dev === dev && stats.ino === ino;
      } catch {
        // That of the directory itself.
        return false;
      }
    });
}

/** @param path of the directory of an environment, which is open */
export function newestTransaction(environment: RootDatabase, path: string): NewestTransaction {
  const lock = findDescriptor(join(path, 'lock.mdb'));
  const data = openSync(join(path, 'data.mdb'), 'r');
  const number = Buffer.alloc(8);
  const read = (position: number, file = data): number => {
    readSync(file, number, 0, number.length, position);
    return Number(number.readBigUInt64LE());
  };
  read(META.freeDb + PAGE_SIZE);
  const pageSize = number.readUInt32LE();
  // One more than that of the transaction that it is based on. lmdb's types leave it out.
  const { getWriteTxnId } = environment as unknown as { readonly getWriteTxnId: () => number };
  const getNewest = () => Math.max(read(META.transaction), read(pageSize + META.transaction));
  return {
    isSeen: () => lock === undefined || read(NEWEST, lock) >= getNewest(),
    isBase() {
      const newest = getNewest();
      if (lock === undefined || getWriteTxnId() > newest) return true;
      number.writeBigUInt64LE(BigInt(newest));
      writeSync(lock, number, 0, number.length, NEWEST);
      return false;
    },
    close: () => closeSync(data),
  };
}
