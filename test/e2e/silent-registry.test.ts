/** A program that stops waiting for a registry which never answers keeps nothing of it. */
import { expect, test } from '@jest/globals';
import { build, closeStore, lock, openStore, plan } from '../../src/engine/index.js';
import { silentServer } from '../support/silent-server.js';
import { tempDir, writeTree } from '../support/wiac.js';

test.each([
  ['build', build],
  ['plan', plan],
  ['lock', lock],
])('%s', async (_name, call) => {
  const server = await silentServer('');
  const store = await openStore(tempDir());
  const context = tempDir();
  writeTree(context, { Dockerfile: `FROM ${server.host}/x\n` });
  const controller = new AbortController();
  const called = call(store, { context, signal: controller.signal });
  // It fails while this test does other things.
  const failed = expect(called).rejects.toThrow('not wanted any more');
  try {
    await server.asked();
    controller.abort(new Error('not wanted any more'));
    await failed;
    await server.left();
  } finally {
    await closeStore(store);
    server.close();
  }
});
