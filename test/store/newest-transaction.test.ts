/** What is committed stays, although lmdb sets the number of the newest transaction back when others open the index. */
import {
  fstatSync,
  mkdtempSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { DefinitionKey } from '../../src/keys/digest.js';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';

let root: string;
let store: Store;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-newest-'));
  store = await openStore(root, 'none');
});

afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

const note = (key: string, hits: number) =>
  write(getTables(store), () =>
    getTables(store).usage.putSync(key as DefinitionKey, { lastUsed: 1, hits }),
  );

const noted = (key: string) => getTables(store).usage.get(key as DefinitionKey)?.hits;

/** lmdb's own descriptor: with one of ours its locks would go. */
function lockDescriptor(): number {
  const { ino } = statSync(join(root, 'index/lock.mdb'));
  const found = readdirSync('/proc/self/fd').find((number) => {
    try {
      return fstatSync(Number(number)).ino === ino;
    } catch {
      return false;
    }
  });
  return Number(found);
}

test('a number that was set back is set right before anything is written', () => {
  note('first', 1);
  note('second', 2);
  const number = Buffer.alloc(8);
  const lock = lockDescriptor();
  readSync(lock, number, 0, 8, 8);
  number.writeBigUInt64LE(number.readBigUInt64LE() - 1n);
  writeSync(lock, number, 0, 8, 8);
  note('third', 3);
  expect(['first', 'second', 'third'].map(noted)).toEqual([1, 2, 3]);
});
