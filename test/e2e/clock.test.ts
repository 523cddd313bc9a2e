/** Clocks that were wrong or are set: results stay right, ages stay readable. */
import { lutimesSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { buildHere } from '../support/in-process.js';
import { context, dockerfile, machine, tempDir } from '../support/wiac.js';

const FUTURE = new Date('2100-01-01');
const DAY_MS = 86_400_000;

describe('times of files in the build context', () => {
  test.each([FUTURE, new Date('1969-01-01'), new Date(0)])('%s', async (time) => {
    const { root, wiac } = machine();
    const path = context({ Dockerfile: dockerfile('COPY file /file'), file: 'one' });
    const file = join(path, 'file');
    utimesSync(file, time, time);
    lutimesSync(join(path, 'bin/sh'), time, time);
    expect((await buildHere(root, path)).ran).toHaveLength(2);
    expect((await buildHere(root, path)).ran).toEqual([]);
    // The same size and time: only the time of the change, which nobody can set, is another.
    writeFileSync(file, 'two');
    utimesSync(file, time, time);
    const { ran, lowerdirs } = await buildHere(root, path, { names: ['x'] });
    expect(ran).toEqual(['COPY file /file']);
    expect(readFileSync(join(lowerdirs.split(':')[0] ?? '', 'file'), 'utf8')).toBe('two');
    const layout = `oci-layout://${join(tempDir(), 'layout')}:x`;
    expect(await wiac(['push', 'x', layout])).toMatchObject({ exitCode: 0 });
  });
});

/** A store whose entries were made and used at another time than now. */
async function getStore(ageMs: number) {
  const made = machine();
  const path = context({ Dockerfile: dockerfile('RUN echo made > /made') });
  await buildHere(made.root, path, { names: ['image'] });
  const store = await openStore(made.root);
  const index = getTables(store);
  const created = Date.now() - ageMs;
  write(index, () => {
    for (const { key, value } of [...index.steps.getRange()]) {
      const step = { ...value, created };
      index.files.steps.put(step);
      index.steps.putSync(key, step);
      index.usage.putSync(key, { lastUsed: created, hits: 0 });
    }
    for (const { key, value } of [...index.images.getRange()]) {
      const image = { ...value, created };
      index.files.images.put(image);
      index.images.putSync(key, image);
    }
  });
  await closeStore(store);
  return { ...made, path };
}

test('entries from the future: no age, new, not unused, and found', async () => {
  const { root, path, wiac } = await getStore(-400 * DAY_MS);
  const count = async (...flags: string[]) =>
    JSON.parse((await wiac(['cache', 'ls', '--format=json', ...flags])).stdout).length;
  expect((await wiac(['cache', 'ls'])).stdout).toMatch(/^[0-9a-f]{12} +0s +0s /m);
  expect(await count('--newer', '1h')).toBe(2);
  expect(await count('--older', '0s')).toBe(0);
  expect(await count('--unused', '0s')).toBe(0);
  expect((await wiac(['images'])).stdout).toMatch(/ 0s /);
  expect((await wiac(['cache', 'verify'])).exitCode).toBe(0);
  expect((await buildHere(root, path)).ran).toEqual([]);
});

test('entries that are older than computers', async () => {
  const { root, path, wiac } = await getStore(Date.now() + DAY_MS);
  expect((await wiac(['cache', 'ls', '--older', '7d'])).stdout).toContain('RUN echo made');
  expect((await buildHere(root, path)).ran).toEqual([]);
});
