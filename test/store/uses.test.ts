/** What a process declares to use, against what another one removes; without any build. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DefinitionKey, OperationDigest } from '../../src/keys/digest.js';
import { placeBlob } from '../../src/store/blobs/blobs.js';
import { listEntries } from '../../src/store/entries/cache-queries.js';
import { concludeBuild } from '../../src/store/entries/conclude.js';
import { changeLayer, publishEntry, updateLayer } from '../../src/store/entries/entries.js';
import { deleteLeftovers, removeFromIndex } from '../../src/store/entries/remove-entries.js';
import { planItems } from '../../src/store/gc/prune-plan.js';
import { measureLinked, readPruneInput } from '../../src/store/gc/prune-state.js';
import { prune } from '../../src/store/gc/prune-store.js';
import { readCacheBytes } from '../../src/store/gc/totals.js';
import {
  findNamedImage,
  imageRecord,
  publishImage,
  removeImage,
} from '../../src/store/images/store-images.js';
import { getTables } from '../../src/store/index/tables.js';
import { write } from '../../src/store/index/transaction.js';
import { layerPath } from '../../src/store/layers/layer-store.js';
import { blobPath } from '../../src/store/paths.js';
import { tryLease } from '../../src/store/pins/lease.js';
import type { ProcessId } from '../../src/store/pins/live-process.js';
import {
  LayersGoneError,
  liveUses,
  retryWhenPruned,
  useLayers,
} from '../../src/store/pins/uses.js';
import type { LayerId, LayerRecord, StepRecord } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';

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
  const { uses, used } = getTables(store);
  uses.clearSync();
  used.clear();
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
  publishEntry(store, step, record);
  return step;
}

const image = (layers: readonly LayerId[]) =>
  imageRecord({
    ...{ layers, platform: 'linux/amd64', manifest: undefined },
    ...{ config: { Env: [], WorkingDir: '/' }, history: [] },
  });

describe('when entries were used', () => {
  const use = (...keys: DefinitionKey[]) =>
    concludeBuild(store, {
      used: keys,
      layers: [],
      image: image([]),
      names: undefined,
      outputs: false,
    });
  const hits = () =>
    Object.fromEntries([...listEntries(store, {}, 0)].map(({ key, hits }) => [key, hits]));
  const files = () => readdirSync(store.paths.index).filter((name) => name.startsWith('used.'));

  test('is known, counted and heeded before the table has it', async () => {
    const [a, b] = [publish('a'), publish('b')];
    forgetUses();
    use(a.key);
    use(a.key);
    expect(hits()).toEqual({ [a.key]: 2, [b.key]: 0 });
    expect(getTables(store).usage.get(a.key)?.hits).toBe(0);
    await closeStore(store);
    store = await openStore(root);
    prune(store, { ...EVERYTHING, filter: { unusedFor: 30_000 } });
    expect(hits()).toEqual({ [a.key]: 2 });
  });

  test('moves to the table, each use once, of entries that are there', () => {
    const [a, b] = [publish('a'), publish('b')];
    forgetUses();
    use(b.key);
    prune(store, { ...EVERYTHING, filter: { text: 'b' } });
    const gone = Array.from({ length: 200 }, (_, at) => `${at}`.padEnd(64, 'x') as DefinitionKey);
    // 13 KB each.
    for (let build = 0; build < 50; build += 1) use(a.key, ...gone);
    expect(hits()).toEqual({ [a.key]: 50 });
    expect(getTables(store).usage.get(a.key)?.hits).toBeGreaterThan(30);
    expect([...getTables(store).usage.getKeys()]).toEqual([a.key]);
    expect(files().length).toBeLessThanOrEqual(2);
  });

  test('survives a line that was written in part', () => {
    const { key } = publish('a');
    use(key);
    const [file = ''] = files();
    appendFileSync(join(store.paths.index, file), `\n17${'\0'.repeat(9)}`);
    use(key);
    appendFileSync(join(store.paths.index, file), `\n1700000000000 ${key.slice(0, 9)}`);
    use(key);
    expect(hits()).toEqual({ [key]: 3 });
  });

  test('no file in its place keeps a build from ending', () => {
    const { key } = publish('a');
    const many = Array.from({ length: 3000 }, () => key);
    const at = (number: number) => join(store.paths.index, `used.${number}`);
    // Longer than the index takes a key for, as a power cut leaves it.
    writeFileSync(at(0), `\n1700000000000 ${key} ${'\0'.repeat(5000)}\n1700000000000  ${key}`);
    use(...many);
    use(...many);
    expect(hits()[key]).toBeGreaterThanOrEqual(6002);
    expect(files()).toContain('used.0');
    // Neither files that are none of wiac's nor those that are none at all.
    writeFileSync(at(1), '');
    truncateSync(at(1), 1 << 30);
    use(key);
    mkdirSync(at(2));
    use(key);
    symlinkSync('used.3', at(3));
    use(key);
    use(...many);
    use(...many);
    expect(hits()[key]).toBeGreaterThanOrEqual(12_000);
  });
});

describe('found, then removed by another process', () => {
  test.each([
    ['the lease of a step on it', (id: LayerId) => tryLease(store, 'key', [id])],
    ['the use of a layer', (id: LayerId) => useLayers(store, [id])],
    [
      'the end of a build',
      (id: LayerId) => {
        const names = ['app'];
        concludeBuild(store, { used: [], layers: [id], image: image([id]), names, outputs: false });
      },
    ],
    [
      'the end of a build that keeps nothing',
      (id: LayerId) => {
        const names = undefined;
        concludeBuild(store, { used: [], layers: [id], image: image([id]), names, outputs: false });
      },
    ],
  ])('%s notices', (_, use) => {
    const { layer } = publish('a');
    forgetUses();
    prune(store, EVERYTHING);
    expect(() => use(layer)).toThrow(LayersGoneError);
    // Nothing of the transaction was kept.
    expect(tryLease(store, 'key')).toEqual({ key: 'key' });
    expect(findNamedImage(store, 'app')).toBe(undefined);
  });

  test('an image of it is not published; an entry for it neither', async () => {
    const { layer, ...step } = publish('a');
    forgetUses();
    prune(store, EVERYTHING);
    await expect(publishImage(store, image([layer]), ['app'])).rejects.toThrow(LayersGoneError);
    expect(() => publishEntry(store, { ...step, layer }, undefined)).toThrow(LayersGoneError);
    expect(getTables(store).steps.getCount()).toBe(0);
    updateLayer(getTables(store), layer, { opaque: [] });
    expect(getTables(store).layers.getCount()).toBe(0);
  });
});

describe('declared, then pruned', () => {
  test.each([
    ['a lease', (id: LayerId) => void tryLease(store, 'key', [id])],
    ['a use', (id: LayerId) => useLayers(store, [id])],
    // Its outputs are written behind it.
    [
      'the end of a build that found it',
      (layer: LayerId) => {
        const used = ['a'.repeat(64) as DefinitionKey];
        concludeBuild(store, {
          used,
          layers: [layer],
          image: image([layer]),
          names: undefined,
          outputs: true,
        });
      },
    ],
    [
      'the end of a build that only pulled it before',
      (layer: LayerId) => {
        const names = undefined;
        concludeBuild(store, {
          used: [],
          layers: [layer],
          image: image([layer]),
          names,
          outputs: true,
        });
      },
    ],
  ])('%s keeps the layer', (_, declare) => {
    const { layer } = publish('a');
    publish('b');
    forgetUses();
    declare(layer);
    expect(prune(store, EVERYTHING).items.map(({ item }) => item.text)).toEqual(['b']);
    expect([...liveUses(getTables(store)).layers]).toEqual([layer]);
  });

  test('a blob that another process makes again before its file is gone stays', () => {
    const [{ layer: a }, { layer: b }] = [publish('a'), publish('b')];
    forgetUses();
    const index = getTables(store);
    const digest = `sha256:${'d'.repeat(64)}`;
    const blob = { digest, diffId: digest, size: 4, compression: 'gzip' } as const;
    const publishBlob = (id: LayerId) =>
      write(index, () => {
        const draft = join(store.paths.tmp, 'draft');
        writeFileSync(draft, 'blob');
        placeBlob(store, draft, digest);
        changeLayer(index, id, { blob });
      });
    publishBlob(a);
    const input = readPruneInput(index, measureLinked(store), liveUses(index), {}, Date.now());
    const plan = planItems(
      input,
      input.items.filter(({ kind }) => kind === 'blob'),
    );
    const leftovers = write(index, () => removeFromIndex(store, plan));
    expect(existsSync(blobPath(store.paths, digest))).toBe(false);
    publishBlob(b);
    expect(deleteLeftovers(store, leftovers)).toBeGreaterThan(0);
    expect(readFileSync(blobPath(store.paths, digest), 'utf8')).toBe('blob');
    const left = readdirSync(store.paths.tmp).filter((name) => !name.startsWith('records.'));
    expect(left).toEqual([]);
  });

  test('a process that is gone keeps nothing, and the next one clears up after it', () => {
    const { layer } = publish('a');
    forgetUses();
    const dead = { process: 'aaaaaaaaaaaaaaaa-1' as ProcessId };
    const use = { ...dead, layers: [layer], mounts: [], everything: true };
    getTables(store).uses.putSync('dead', use);
    expect(prune(store, EVERYTHING).items).toHaveLength(1);
    useLayers(store, [publish('b').layer]);
    expect(getTables(store).uses.get('dead')).toBe(undefined);
  });
});

describe('starting over', () => {
  test('nothing is removed during the second try, everything can be after it', async () => {
    const tries: (number | undefined)[] = [];
    await retryWhenPruned(store, async () => {
      const { layer } = publish('a');
      forgetUsesOfLayers();
      const { items, heldBy } = prune(store, EVERYTHING);
      tries.push(heldBy);
      if (items.length > 0) useLayers(store, [layer]);
    });
    expect(tries).toEqual([undefined, process.pid]);
    forgetUsesOfLayers();
    expect(prune(store, EVERYTHING).items).toHaveLength(1);
  });

  test('other errors are passed on', async () => {
    let tries = 0;
    const failing = retryWhenPruned(store, async () => {
      tries += 1;
      throw new Error('other');
    });
    await expect(failing).rejects.toThrow('other');
    expect(tries).toBe(1);
  });

  /** Keeps the record, and what it says of everything. */
  function forgetUsesOfLayers(): void {
    const { uses, used } = getTables(store);
    for (const { key, value } of [...uses.getRange()]) uses.putSync(key, { ...value, layers: [] });
    used.clear();
  }
});

describe('removing images', () => {
  test('one name of two, then the other', async () => {
    const { layer } = publish('a');
    const { id } = await publishImage(store, image([layer]), ['app', 'app:2']);
    expect(await removeImage(store, id, 'app')).toEqual({
      untagged: ['app:latest'],
      removed: false,
      layers: [],
      freedBytes: 0,
    });
    const last = await removeImage(store, id, 'app:2');
    expect(last).toMatchObject({ untagged: ['app:2'], removed: true });
    // The entry has the layer still.
    expect(getTables(store).layers.getCount()).toBe(1);
    expect(await removeImage(store, id, 'app')).toMatchObject({ untagged: [], removed: false });
  });

  test('all names; layers that nobody needs go', async () => {
    const { layer, key } = publish('a');
    // As if it had been pulled.
    getTables(store).steps.removeSync(key);
    updateLayer(getTables(store), layer, { key: undefined });
    getTables(store).diffIds.putSync('sha256:1', layer);
    const { id } = await publishImage(store, image([layer]), ['app', 'other']);
    forgetUses();
    const removal = await removeImage(store, id, undefined);
    expect(removal).toMatchObject({
      untagged: ['app:latest', 'other:latest'],
      removed: true,
      layers: [layer],
    });
    expect(removal.freedBytes).toBeGreaterThan(0);
    expect(getTables(store).diffIds.getCount()).toBe(0);
  });

  test('a process that runs in it keeps the layers until it ends', async () => {
    const { layer, key } = publish('a');
    getTables(store).steps.removeSync(key);
    updateLayer(getTables(store), layer, { key: undefined });
    const { id } = await publishImage(store, image([layer]), ['app']);
    expect(await removeImage(store, id, 'app')).toMatchObject({ layers: [], freedBytes: 0 });
    expect(getTables(store).layers.getCount()).toBe(1);
    forgetUses();
    expect(prune(store, EVERYTHING).layers).toBe(1);
  });
});

test('the running total grows with layers, blobs and images that lose their name', async () => {
  const { layer } = publish('a');
  expect(readCacheBytes(store)).toBe(4096);
  const digest = 'sha256:1';
  const blob = { digest, size: 100, diffId: digest, compression: 'gzip' } as const;
  updateLayer(getTables(store), layer, { blob });
  expect(readCacheBytes(store)).toBe(4196);
  await publishImage(store, image([layer]), ['app']);
  expect(prune(store, { ...EVERYTHING, keepBytes: 1e9 }).remaining).toBe(100);
  expect(readCacheBytes(store)).toBe(100);
  const { layer: other } = publish('b');
  await publishImage(store, image([other]), ['app']);
  expect(readCacheBytes(store)).toBeGreaterThanOrEqual(100 + 4096 + 4096);
});
