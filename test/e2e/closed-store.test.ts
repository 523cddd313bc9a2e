/** A store that is closed while builds are at work in it: they fail, and none waits for ever. */
import { rmSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { buildDockerfile } from '../../src/engine/build-dockerfile.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { StoreError } from '../../src/util/errors.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

/** In words of ours, not of lmdb's. */
const closed = new StoreError('the store was closed while it was in use');

test('a step that can not be published gives its lease back to the other build that waits for it', async () => {
  const directory = context({ Dockerfile: dockerfile('RUN echo ran; sleep 1') });
  const root = tempDir();
  const store = await openStore(root);
  let begin = () => {};
  const begun = new Promise<void>((resume) => {
    begin = resume;
  });
  const first = buildDockerfile(store, {
    context: directory,
    onEvent: ({ type }) => type === 'output' && begin(),
  });
  await begun;
  const waits = new Promise<void>((resume) => {
    begin = resume;
  });
  const second = buildDockerfile(store, {
    context: directory,
    onEvent: ({ type }) => type === 'waiting' && begin(),
  });
  const ended = Promise.allSettled([first, second]);
  await waits;
  await closeStore(store);
  const results = (await ended) as PromiseRejectedResult[];
  expect(results.map(({ reason }) => reason)).toEqual([closed, closed]);
  await expect(buildDockerfile(store, { context: directory })).rejects.toThrow(closed);
  rmSync(root, { recursive: true });
});
