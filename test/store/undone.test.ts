/** Files beside the index that a transaction wrote which was undone: the next process makes them what the index says. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import { sweepStore } from '../../src/store/gc/sweep.js';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { repairStore } from '../../src/store/verify/repair.js';
import { verifyStore } from '../../src/store/verify/verify-store.js';

const IMAGE = `sha256:${'0'.repeat(64)}`;

async function repair(store: Store): Promise<void> {
  const { findings } = await verifyStore(store, undefined, false, await createHash64());
  // The images of the names are not there either.
  const garbage = findings.filter(({ severity }) => severity === 'garbage');
  expect(repairStore(store, garbage)).toEqual([]);
}

test.each([
  ['a build', sweepStore],
  ['cache verify --repair', repair],
])(
  '%s: what it wrote goes, what it removed comes back, whatever was written after it',
  async (_, clearUp) => {
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
      await clearUp(next);
      expect(
        readdirSync(next.paths.tmp).filter((name) => name.endsWith(store.paths.self.id)),
      ).toEqual([]);
      const { files } = getTables(next);
      const wanted = ['app', 'later'].map((name) => files.names.getName(name));
      expect(files.names.names().sort()).toEqual(wanted.sort());
      await closeStore(next);
    } finally {
      rmSync(root, { recursive: true });
    }
  },
);
