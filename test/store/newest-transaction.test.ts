/** What is committed stays, although lmdb sets the number of the newest transaction back when others open the index. */
import {
  existsSync,
  fstatSync,
  mkdirSync,
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
import { sweepStore } from '../../src/store/gc/sweep.js';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import { layerPath, newLayerId } from '../../src/store/layers/layer-store.js';
import { tryLease } from '../../src/store/pins/lease.js';
import type { LayerRecord } from '../../src/store/records.js';
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

/** What lmdb does to the number when a transaction is committed while another process opens the index. */
function setBack(): void {
  const number = Buffer.alloc(8);
  const lock = lockDescriptor();
  readSync(lock, number, 0, 8, 8);
  number.writeBigUInt64LE(number.readBigUInt64LE() - 1n);
  writeSync(lock, number, 0, 8, 8);
  getTables(store).environment.resetReadTxn();
}

test('a number that was set back is set right before anything is written', () => {
  note('first', 1);
  note('second', 2);
  setBack();
  note('third', 3);
  expect(['first', 'second', 'third'].map(noted)).toEqual([1, 2, 3]);
});

test('who gets a lease sees what its last holder has published, although the number was set back', () => {
  note('step', 1);
  note('step', 2);
  setBack();
  expect(noted('step')).toBe(1);
  expect(tryLease(store, 'step')).toEqual({ key: 'step' });
  expect(noted('step')).toBe(2);
});

test('a layer that was just published is not swept, although the number was set back', () => {
  const id = newLayerId();
  mkdirSync(layerPath(store.paths, id), { recursive: true });
  mkdirSync(join(store.paths.tmp, `${id}.aaaaaaaaaaaaaaaa-1`));
  const index = getTables(store);
  write(index, () => index.layers.putSync(id, { id } as LayerRecord));
  setBack();
  expect(index.layers.doesExist(id)).toBe(false);
  sweepStore(store);
  expect(existsSync(layerPath(store.paths, id))).toBe(true);
});
