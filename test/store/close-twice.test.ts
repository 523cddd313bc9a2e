/** A program that closes a store twice loses no file of its own. */
import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { closeStore, openStore } from '../../src/store/store.js';

test('the second closeStore closes no descriptor that was opened since', async () => {
  const root = mkdtempSync(join(tmpdir(), 'wiac-close-'));
  const store = await openStore(root);
  await closeStore(store);
  const opened = Array.from({ length: 20 }, () => openSync(root, 'r'));
  await closeStore(store);
  for (const descriptor of opened) {
    expect(() => fstatSync(descriptor)).not.toThrow();
    closeSync(descriptor);
  }
  rmSync(root, { recursive: true });
});
