/** What a process declares to use, against what another one removes; without any build. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { concludeBuild } from '../../src/cache/conclude.js';
import { publishEntry, updateLayer } from '../../src/cache/entries.js';
import { findNamedImage, imageRecord, publishImage, removeImage } from '../../src/cache/images.js';
import { layerPath } from '../../src/cache/layer-store.js';
import { tryLease } from '../../src/cache/lease.js';
import type { ProcessId } from '../../src/cache/live-process.js';
import { prune } from '../../src/cache/prune.js';
import type { LayerId, LayerRecord, StepRecord } from '../../src/cache/records.js';
import type { Store } from '../../src/cache/store.js';
import { closeStore, openStore } from '../../src/cache/store.js';
import { readCacheBytes } from '../../src/cache/totals.js';
import { LayersGoneError, liveUses, retryWhenPruned, useLayers } from '../../src/cache/uses.js';
import type { DefinitionKey, OperationDigest } from '../../src/keys/digest.js';

let root: string;
let store: Store;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-uses-'));
  store = await openStore(root);
});

afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

const EVERYTHING = { keepBytes: undefined, filter: {}, mountsUnusedFor: 0 };

/** As if the process that used layers had ended. */
function forgetUses(): void {
  store.index.uses.clearSync();
}

/** An entry with a layer, as a build makes them, of a process that has ended since. */
function publish(name: string, base: readonly LayerId[] = []): StepRecord & { layer: LayerId } {
  const layer = name.repeat(16) as LayerId;
  mkdirSync(layerPath(store.paths, layer), { recursive: true });
  const key = name.repeat(64) as DefinitionKey;
  const created = Date.now() - 60_000;
  const step: StepRecord & { layer: LayerId } = {
    key,
    contentKey: undefined,
    operation: name as OperationDigest,
    inputs: {
      version: 1,
      kind: 'run',
      platform: 'linux/amd64',
      operands: {},
      text: name,
      files: [],
      parents: [],
    } as StepRecord['inputs'],
    base,
    readLayers: [],
    reads: undefined,
    layer,
    created,
    durationMs: 100,
  };
  const measures = { bytes: 4096, disk: 4096, files: 1, opaque: [] };
  const record: LayerRecord = {
    ...{ id: layer, key, created, ...measures },
    ...{ digest: undefined, tree: undefined },
  };
  publishEntry(store.index, step, record);
  return step;
}

const image = (layers: readonly LayerId[]) =>
  imageRecord({
    ...{ layers, platform: 'linux/amd64', manifest: undefined },
    ...{ config: { Env: [], WorkingDir: '/' }, history: [] },
  });

describe('found, then removed by another process', () => {
  test.each([
    ['the lease of a step on it', (id: LayerId) => tryLease(store.index, 'key', [id])],
    ['the use of a layer', (id: LayerId) => useLayers(store.index, [id])],
    [
      'the end of a build',
      (id: LayerId) => {
        const names = ['app'];
        concludeBuild(store.index, { used: [], layers: [id], image: image([id]), names });
      },
    ],
    [
      'the end of a build that keeps nothing',
      (id: LayerId) => {
        const names = undefined;
        concludeBuild(store.index, { used: [], layers: [id], image: image([id]), names });
      },
    ],
  ])('%s notices', (_, use) => {
    const { layer } = publish('a');
    forgetUses();
    prune(store, EVERYTHING);
    expect(() => use(layer)).toThrow(LayersGoneError);
    // Nothing of the transaction was kept.
    expect(tryLease(store.index, 'key')).toEqual({ key: 'key' });
    expect(findNamedImage(store.index, 'app')).toBe(undefined);
  });

  test('an image of it is not published; an entry for it neither', async () => {
    const { layer, ...step } = publish('a');
    forgetUses();
    prune(store, EVERYTHING);
    await expect(publishImage(store.index, image([layer]), ['app'])).rejects.toThrow(
      LayersGoneError,
    );
    expect(() => publishEntry(store.index, { ...step, layer }, undefined)).toThrow(LayersGoneError);
    expect(store.index.steps.getCount()).toBe(0);
    updateLayer(store.index, layer, { opaque: [] });
    expect(store.index.layers.getCount()).toBe(0);
  });
});

describe('declared, then pruned', () => {
  test.each([
    ['a lease', (id: LayerId) => void tryLease(store.index, 'key', [id])],
    ['a use', (id: LayerId) => useLayers(store.index, [id])],
  ])('%s keeps the layer', (_, declare) => {
    const { layer } = publish('a');
    publish('b');
    forgetUses();
    declare(layer);
    expect(prune(store, EVERYTHING).items.map(({ item }) => item.text)).toEqual(['b']);
    expect([...liveUses(store.index).layers]).toEqual([layer]);
  });

  test('a process that is gone keeps nothing, and the next one clears up after it', () => {
    const { layer } = publish('a');
    forgetUses();
    const dead = { process: 'aaaaaaaaaaaaaaaa-1' as ProcessId };
    const use = { ...dead, layers: [layer], mounts: [], everything: true };
    store.index.uses.putSync('dead', use);
    expect(prune(store, EVERYTHING).items).toHaveLength(1);
    tryLease(store.index, 'key');
    expect(store.index.uses.get('dead')).toBe(undefined);
  });
});

describe('starting over', () => {
  test('nothing is removed during the second try, everything can be after it', async () => {
    const tries: (number | undefined)[] = [];
    await retryWhenPruned(store.index, async () => {
      const { layer } = publish('a');
      forgetUsesOfLayers();
      const { items, heldBy } = prune(store, EVERYTHING);
      tries.push(heldBy);
      if (items.length > 0) useLayers(store.index, [layer]);
    });
    expect(tries).toEqual([undefined, process.pid]);
    forgetUsesOfLayers();
    expect(prune(store, EVERYTHING).items).toHaveLength(1);
  });

  test('other errors are passed on', async () => {
    let tries = 0;
    const failing = retryWhenPruned(store.index, async () => {
      tries += 1;
      throw new Error('other');
    });
    await expect(failing).rejects.toThrow('other');
    expect(tries).toBe(1);
  });

  /** Keeps the record, and what it says of everything. */
  function forgetUsesOfLayers(): void {
    for (const { key, value } of [...store.index.uses.getRange()])
      store.index.uses.putSync(key, { ...value, layers: [] });
  }
});

describe('removing images', () => {
  test('one name of two, then the other', async () => {
    const { layer } = publish('a');
    const { id } = await publishImage(store.index, image([layer]), ['app', 'app:2']);
    expect(await removeImage(store, id, 'app')).toEqual({
      untagged: ['app:latest'],
      removed: false,
      layers: [],
      freedBytes: 0,
    });
    const last = await removeImage(store, id, 'app:2');
    expect(last).toMatchObject({ untagged: ['app:2'], removed: true });
    // The entry has the layer still.
    expect(store.index.layers.getCount()).toBe(1);
    expect(await removeImage(store, id, 'app')).toMatchObject({ untagged: [], removed: false });
  });

  test('all names; layers that nobody needs go', async () => {
    const { layer, key } = publish('a');
    // As if it had been pulled.
    store.index.steps.removeSync(key);
    updateLayer(store.index, layer, { key: undefined });
    store.index.diffIds.putSync('sha256:1', layer);
    const { id } = await publishImage(store.index, image([layer]), ['app', 'other']);
    forgetUses();
    const removal = await removeImage(store, id, undefined);
    expect(removal).toMatchObject({
      untagged: ['app:latest', 'other:latest'],
      removed: true,
      layers: [layer],
    });
    expect(removal.freedBytes).toBeGreaterThan(0);
    expect(store.index.diffIds.getCount()).toBe(0);
  });

  test('a process that runs in it keeps the layers until it ends', async () => {
    const { layer, key } = publish('a');
    store.index.steps.removeSync(key);
    updateLayer(store.index, layer, { key: undefined });
    const { id } = await publishImage(store.index, image([layer]), ['app']);
    expect(await removeImage(store, id, 'app')).toMatchObject({ layers: [], freedBytes: 0 });
    expect(store.index.layers.getCount()).toBe(1);
    forgetUses();
    expect(prune(store, EVERYTHING).layers).toBe(1);
  });
});

test('the running total grows with layers, blobs and images that lose their name', async () => {
  const { layer } = publish('a');
  expect(readCacheBytes(store.index)).toBe(4096);
  const digest = 'sha256:1';
  const blob = { digest, size: 100, diffId: digest, compression: 'gzip' } as const;
  updateLayer(store.index, layer, { blob });
  expect(readCacheBytes(store.index)).toBe(4196);
  await publishImage(store.index, image([layer]), ['app']);
  expect(prune(store, { ...EVERYTHING, keepBytes: 1e9 }).remaining).toBe(100);
  expect(readCacheBytes(store.index)).toBe(100);
  const { layer: other } = publish('b');
  await publishImage(store.index, image([other]), ['app']);
  expect(readCacheBytes(store.index)).toBeGreaterThanOrEqual(100 + 4096 + 4096);
});
