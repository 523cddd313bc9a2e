/** What the machine lacks while a layer is read says nothing of the layer. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import { indexScanStore } from '../../src/store/entries/scan-store.js';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import { layerPath, newLayerId } from '../../src/store/layers/layer-store.js';
import type { LayerRecord } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { checkLayerContent } from '../../src/store/verify/check-content.js';
import { IsolationError } from '../../src/util/errors.js';

let root: string;
let store: Store;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-lack-'));
  store = await openStore(root, 'none');
});

afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

/** Checks a layer whose digest can't be kept. */
async function check(error: unknown) {
  const id = newLayerId();
  mkdirSync(layerPath(store.paths, id), { recursive: true });
  writeFileSync(join(layerPath(store.paths, id), 'file'), 'made\n');
  const unread = { key: undefined, digest: undefined, tree: undefined, opaque: [] };
  const record = { id, ...unread, created: 0, bytes: 5, disk: 4096, files: 1 } as LayerRecord;
  const index = getTables(store);
  write(index, () => index.layers.putSync(id, record));
  const unwritten = () => {
    throw error;
  };
  const scanStore = { ...indexScanStore(store, await createHash64()), unwritten };
  return checkLayerContent(store, record, scanStore);
}

test.each([
  // As lmdb has it.
  Object.assign(new Error('No space left on device'), { code: 28 }),
  Object.assign(new Error('no room'), { code: 'EDQUOT' }),
  Object.assign(new Error('too many'), { code: 'EMFILE' }),
  Object.assign(new Error('no memory'), { code: 'ENOMEM' }),
  Object.assign(new Error('no process'), { code: 'EAGAIN', syscall: 'spawn wiac-sys' }),
  new IsolationError('wiac-sys has ended'),
])('%s', async (error) => {
  await expect(check(error)).rejects.toBe(error);
});

test('a file that the disk does not give is damage', async () => {
  const { finding } = await check(Object.assign(new Error('i/o error'), { code: 'EIO' }));
  expect(finding).toMatchObject({ severity: 'damage', problem: "it can't be read: i/o error" });
});
