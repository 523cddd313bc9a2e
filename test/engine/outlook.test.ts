/** What the cache says of a step from its definition key alone. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { LookupSession } from '../../src/engine/build-session.js';
import { keyStep } from '../../src/engine/lookup.js';
import type { Outlook } from '../../src/engine/outlook.js';
import { keyedOutlook } from '../../src/engine/outlook.js';
import { NO_GROUND } from '../../src/engine/stale.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { RunStep } from '../../src/plan/step.js';
import { publishEntry } from '../../src/store/entries/entries.js';
import { getTables } from '../../src/store/index/tables.js';
import { layerPath } from '../../src/store/layers/layer-store.js';
import type { LayerId, LayerRecord, StepRecord } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { getStep } from '../support/steps.js';

let root: string;
let store: Store;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-outlook-'));
  store = await openStore(root);
});
afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

const layer = (letter: string) => letter.repeat(16) as LayerId;
const BELOW: Outlook = {
  key: 'b'.repeat(64) as DefinitionKey,
  maker: undefined,
  layers: [layer('b')],
  keyed: undefined,
  record: undefined,
  inTheWay: false,
  ground: { ...NO_GROUND, floor: [layer('b')] },
};

const step: RunStep = getStep('run', 's2', {
  argv: ['make'],
  env: [],
  mounts: [],
  resources: { extraHosts: [], shmSize: 0, ulimits: [] },
  script: undefined,
  workdir: '/',
  user: '',
  network: 'default',
  security: 'sandbox',
});

function session(more: Partial<LookupSession> = {}): LookupSession {
  const { signal } = new AbortController();
  return {
    store,
    sharedCache: undefined,
    skipsCache: () => false,
    signal,
    ...more,
  } as LookupSession;
}

const look = (parents: Outlook[] = [BELOW], more: Partial<LookupSession> = {}, what = step) =>
  keyedOutlook(session(more), what, parents);

function addLayer(id: LayerId): LayerRecord {
  mkdirSync(layerPath(store.paths, id), { recursive: true });
  const facts = { created: 0, bytes: 0, disk: 0, files: 0, opaque: [] };
  return { id, key: undefined, ...facts, digest: undefined, tree: undefined };
}

/** The entry of the step, made on the layer below. */
async function publish(): Promise<StepRecord> {
  const below = addLayer(layer('b'));
  await getTables(store).layers.put(below.id, below);
  const { key, operation, inputs } = await keyStep(session(), step, [BELOW]);
  const record: StepRecord = {
    key,
    contentKey: undefined,
    operation,
    inputs,
    base: [below.id],
    readLayers: [],
    reads: undefined,
    layer: layer('c'),
    created: 0,
    durationMs: 0,
  };
  publishEntry(store, record, { ...addLayer(layer('c')), key });
  return record;
}

test('an entry is found; its layers are those below it and its own', async () => {
  const record = await publish();
  const found = await look();
  expect(found).toMatchObject({ key: record.key, maker: 's2', inTheWay: false });
  expect(found.record?.layer).toBe(layer('c'));
  expect(found.layers).toEqual([layer('b'), layer('c')]);
});

test('a step that is only unknown is not in the way of those that follow', async () => {
  expect(await look()).toMatchObject({ record: undefined, layers: undefined, inTheWay: false });
});

test('an entry that was made on other layers is not taken', async () => {
  await publish();
  const below = { ...BELOW, layers: [layer('d')] };
  expect(await look([below])).toMatchObject({ record: undefined, inTheWay: true });
});

test('nor one whose layers are gone', async () => {
  await publish();
  await getTables(store).layers.remove(layer('b'));
  expect(await look([{ ...BELOW, layers: undefined }])).toMatchObject({
    record: undefined,
    inTheWay: true,
  });
});

test('--no-cache and a step in the way below keep the key, and look nothing up', async () => {
  const { key } = await publish();
  const skipped = await look([BELOW], { skipsCache: () => true });
  expect(skipped).toMatchObject({ keyed: { key }, record: undefined, inTheWay: true });
  const keyed = (await look()).keyed;
  const blocked = await look([{ ...BELOW, keyed, inTheWay: true }]);
  expect(blocked).toMatchObject({ keyed: { key }, record: undefined, inTheWay: true });
});

test('below a step whose files cannot be read there is no key', async () => {
  const unreadable = { ...BELOW, keyed: undefined, inTheWay: true };
  expect(await look([unreadable])).toMatchObject({ keyed: undefined, inTheWay: true });
});

test('an unreadable context is told when the step is resolved, an interruption at once', async () => {
  const copy = getStep('copy', 's2', { sources: ['a'], inline: [], from: undefined, context: '' });
  const fails = () => {
    throw new Error('unreadable');
  };
  const controller = new AbortController();
  const more = { context: fails, signal: controller.signal };
  expect(await keyedOutlook(session(more), copy, [BELOW])).toMatchObject({ inTheWay: true });
  controller.abort();
  await expect(keyedOutlook(session(more), copy, [BELOW])).rejects.toThrow('unreadable');
});
