/** A program whose listener of events throws: its build fails, and what steps have made is not lost. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { buildDockerfile } from '../../src/engine/build-dockerfile.js';
import type { BuildEvent } from '../../src/engine/events.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { verifyHere } from '../support/in-process.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

test('the step that it hears of is in the cache', async () => {
  const root = join(tempDir(), 'store');
  const path = context({ Dockerfile: dockerfile('RUN echo one > /one', 'RUN echo two > /two') });
  const store = await openStore(root, 'none');
  const build = async (listen: (event: BuildEvent) => void) =>
    buildDockerfile(store, { context: path, jobs: 1, onEvent: listen });
  const throwing = build((event) => {
    if (event.type === 'finished') throw new Error('listener');
  });
  await expect(throwing).rejects.toThrow('listener');
  expect(readdirSync(join(root, 'leases'))).toEqual([]);
  expect(readdirSync(join(root, 'tmp')).filter((name) => !name.startsWith('records.'))).toEqual([]);
  const seen: string[] = [];
  await build(({ type }) => seen.push(type));
  expect(seen).toContain('cached');
  await closeStore(store);
  expect(await verifyHere(root)).toEqual([]);
});
