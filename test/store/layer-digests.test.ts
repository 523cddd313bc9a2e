/** A layer's files are read once for its digest, whoever asks for it meanwhile. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { getDigestedStack, getStack } from '../../src/engine/build-session.js';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import { treeNodes } from '../../src/store/entries/entries.js';
import { publishFetchedLayer } from '../../src/store/entries/fetched-layers.js';
import { indexScanStore } from '../../src/store/entries/scan-store.js';
import { findLayer } from '../../src/store/layers/find-layers.js';
import { awaitDigests, layerDigests } from '../../src/store/layers/layer-digests.js';
import { layerStack, stackTree } from '../../src/store/layers/layer-stack.js';
import { layerPath, newLayerId } from '../../src/store/layers/layer-store.js';
import { addUnpublished } from '../../src/store/layers/unpublished.js';
import type { LayerId } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';

let root: string;
let store: Store;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-digests-'));
  store = await openStore(root, 'none');
});

afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

/** Layers as a RUN leaves them, and a store of trees that counts what is written to it. */
async function begin() {
  const kept = indexScanStore(store, await createHash64());
  let written = 0;
  const scanStore: typeof kept = {
    ...kept,
    writeTree: (...tree) => {
      written += 1;
      kept.writeTree(...tree);
    },
  };
  const add = (id: LayerId = newLayerId()): LayerId => {
    const key = `sha256:${'0'.repeat(64)}` as DefinitionKey;
    const unread = { digest: undefined, tree: undefined, opaque: [], withoutXattrs: true };
    addUnpublished(store, { id, key, created: 0, bytes: 5, disk: 4096, files: 1, ...unread });
    return id;
  };
  const fill = (id: LayerId): LayerId => {
    mkdirSync(layerPath(store.paths, id), { recursive: true });
    writeFileSync(join(layerPath(store.paths, id), 'file'), 'made\n');
    return id;
  };
  return { scanStore, add, fill, written: () => written };
}

test('two that ask at the same time get one digest, from one reading', async () => {
  const { scanStore, add, fill, written } = await begin();
  const id = fill(add());
  const both = [layerDigests(store, scanStore, [id]), layerDigests(store, scanStore, [id])];
  const [first, second] = (await Promise.all(both)).map(([digest]) => digest);
  expect(first).toMatch(/^[0-9a-f]{64}$|^sha256:/);
  expect(second).toBe(first);
  expect(written()).toBe(1);
  expect(findLayer(store, id)?.digest).toBe(first);
});

test('a stack that is in use finds what was digested after it was made', async () => {
  const { scanStore, add, fill } = await begin();
  const id = fill(add());
  const [layer] = await layerStack(store, [id]);
  expect(layer?.digested).toBe(undefined);
  const reading = layerDigests(store, scanStore, [id]);
  await awaitDigests(store, [id]);
  // What is published refers to its tree: the nodes are in the index by then.
  scanStore.flush();
  expect(layer?.digested?.('file')).toMatchObject({ type: 'file' });
  await reading;
});

test('one that could not be read is read again', async () => {
  const { scanStore, add, fill } = await begin();
  const id = add();
  const both = [layerDigests(store, scanStore, [id]), layerDigests(store, scanStore, [id])];
  await awaitDigests(store, [id]);
  for (const each of both) await expect(each).rejects.toMatchObject({ code: 'ENOENT' });
  fill(id);
  await expect(layerDigests(store, scanStore, [id])).resolves.toHaveLength(1);
});

test('a build is not stopped with another one of this process that began to bring the layer', async () => {
  const { scanStore, add, fill } = await begin();
  const id = fill(add());
  const stopped = layerDigests(store, scanStore, [id], () => Promise.reject(new Error('stopped')));
  const going = [layerDigests(store, scanStore, [id]), layerDigests(store, scanStore, [id])];
  await expect(stopped).rejects.toThrow('stopped');
  const [first, second] = await Promise.all(going);
  expect(first).toHaveLength(1);
  expect(second).toEqual(first);
});

test('who looks single paths up does not wait for a digest, who reads directories does', async () => {
  const { scanStore, add, fill } = await begin();
  const id = fill(add());
  const { signal } = new AbortController();
  const scratch = () => '/nowhere';
  const session = { store, scanStore, origins: new Map(), stacks: stackTree(), signal, scratch };
  let go = (): void => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  const reading = layerDigests(store, scanStore, [id], () => held);
  let isWhole = false;
  const whole = getDigestedStack(session, [id]).then((stack) => {
    isWhole = true;
    return stack;
  });
  const [layer] = await getStack(session, [id]);
  expect([isWhole, layer?.digested]).toEqual([false, undefined]);
  go();
  await reading;
  scanStore.flush();
  expect((await whole)[0]?.digested?.('file')).toMatchObject({ type: 'file' });
});

test('what a record says of a published layer is in the index with it: the build may write nothing more', async () => {
  const { scanStore, fill } = await begin();
  const id = fill(newLayerId());
  const measures = { files: 1, bytes: 5, disk: 4096, opaque: [], withoutXattrs: true };
  await publishFetchedLayer(store, {
    diffId: `sha256:${'1'.repeat(64)}`,
    id,
    measures,
    place: () => {},
  });
  await layerDigests(store, scanStore, [id]);
  const tree = findLayer(store, id)?.tree;
  expect(tree && treeNodes(store)(tree)).toContain('"file"');
});
