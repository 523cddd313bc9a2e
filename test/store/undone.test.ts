/** Files beside the index that a transaction wrote which was undone: the next process makes them what the index says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { sweepStore } from '../../src/store/gc/sweep.js';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import { closeStore, openStore } from '../../src/store/store.js';

const IMAGE = `sha256:${'0'.repeat(64)}`;

test('what it wrote goes, what it removed comes back, whatever was written after it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'wiac-undone-'));
  try {
    const store = await openStore(root, 'none');
    const index = getTables(store);
    const { names } = index.files;
    const put = (name: string) => {
      names.put({ name, image: IMAGE });
      index.names.putSync(name, IMAGE);
    };
    write(index, () => put('app'));
    const full = () =>
      write(index, () => {
        put('other');
        names.remove('app');
        throw new Error('no space');
      });
    expect(full).toThrow('no space');
    write(index, () => put('later'));
    await closeStore(store);

    const next = await openStore(root, 'none');
    sweepStore(next);
    const { files } = getTables(next);
    const wanted = ['app', 'later'].map((name) => files.names.getName(name));
    expect(files.names.names().sort()).toEqual(wanted.sort());
    await closeStore(next);
  } finally {
    rmSync(root, { recursive: true });
  }
});
