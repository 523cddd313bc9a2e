/** A store that somebody moves or removes while a command uses it. */
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { closeStore, openStore } from '../../src/store/store.js';
import { StoreError } from '../../src/util/errors.js';

test('says so at its end', async () => {
  const root = mkdtempSync(join(tmpdir(), 'wiac-moved-'));
  const [here, there] = [join(root, 'here'), join(root, 'there')];
  const store = await openStore(here);
  renameSync(here, there);
  const closed = closeStore(store);
  await expect(closed).rejects.toThrow(StoreError);
  await expect(closed).rejects.toThrow(`${here} was moved or removed`);
  renameSync(there, here);
  await closeStore(store);
  rmSync(root, { recursive: true });
});
