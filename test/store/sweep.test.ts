/** Clearing up after processes that are gone, beside others that come and go. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { sweepStore } from '../../src/store/gc/sweep.js';
import { getTables } from '../../src/store/index/tables.js';
import { layerPath, newLayerId } from '../../src/store/layers/layer-store.js';
import { closeStore, openStore } from '../../src/store/store.js';

const PUBLISH = `
  const [path, id] = process.argv.slice(1);
  const environment = require('lmdb').open({ path, maxDbs: 32, overlappingSync: false });
  environment.openDB({ name: 'layers' }).putSync(id, { id });
`;

test('what a process published just before it ended stays, whenever this one read the index', async () => {
  const root = mkdtempSync(join(tmpdir(), 'wiac-sweep-'));
  const store = await openStore(root);
  try {
    const [id, garbage] = [newLayerId(), newLayerId()];
    for (const each of [id, garbage]) {
      mkdirSync(layerPath(store.paths, each), { recursive: true });
      mkdirSync(join(store.paths.tmp, `${each}.aaaaaaaaaaaaaaaa-1`));
    }
    // The index is read as it is now until this turn of the event loop is over.
    expect(getTables(store).layers.doesExist(id)).toBe(false);
    const { stderr, status } = spawnSync(process.execPath, ['-e', PUBLISH, store.paths.index, id]);
    expect([status, String(stderr)]).toEqual([0, '']);
    sweepStore(store);
    expect(existsSync(layerPath(store.paths, id))).toBe(true);
    expect(existsSync(layerPath(store.paths, garbage))).toBe(false);
  } finally {
    await closeStore(store);
    rmSync(root, { recursive: true });
  }
});
