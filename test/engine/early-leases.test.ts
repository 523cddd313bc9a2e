/** Leases that are taken before a step's turn comes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { earlyLeases } from '../../src/engine/early-leases.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import { getTables } from '../../src/store/index/tables.js';
import { releaseLease, tryLease } from '../../src/store/pins/lease.js';
import { LayersGoneError } from '../../src/store/pins/uses.js';
import type { LayerId } from '../../src/store/records.js';
import type { Store } from '../../src/store/store.js';
import { closeStore, openStore } from '../../src/store/store.js';

const KEY = 'key' as DefinitionKey;
const NO_LAYERS: ReadonlySet<LayerId> = new Set();

let root: string;
let store: Store;
const held = () =>
  getTables(store)
    .leases.list()
    .map(({ key }) => key);

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'wiac-early-'));
  store = await openStore(root, 'none');
});

afterEach(async () => {
  await closeStore(store);
  rmSync(root, { recursive: true });
});

test('the step whose turn it is gets it, once', () => {
  const early = earlyLeases(store);
  early.prepare(KEY);
  early.prepare(KEY);
  expect(tryLease(store, KEY)).toBe(process.pid);
  const lease = early.take(KEY, NO_LAYERS);
  expect(lease).toEqual({ key: KEY });
  expect(early.take(KEY, NO_LAYERS)).toBe(undefined);
  // It is the step's own now.
  early.close();
  expect(held()).toEqual([KEY]);
  if (lease) releaseLease(store, lease);
  expect(held()).toEqual([]);
});

test('those that no step took are given back, and no more are taken', () => {
  const early = earlyLeases(store);
  early.prepare(KEY);
  early.close();
  early.prepare(KEY);
  expect(held()).toEqual([]);
});

test('a step that is found needs none', () => {
  const early = earlyLeases(store);
  early.prepare(KEY);
  early.drop(KEY);
  expect(held()).toEqual([]);
  expect(early.take(KEY, NO_LAYERS)).toBe(undefined);
});

test('one that somebody else has is waited for when the turn comes, not before', () => {
  const other = tryLease(store, KEY);
  const early = earlyLeases(store);
  early.prepare(KEY);
  expect(early.take(KEY, NO_LAYERS)).toBe(undefined);
  early.close();
  expect(held()).toEqual([KEY]);
  if (typeof other !== 'number') releaseLease(store, other);
});

test('layers that were pruned meanwhile are told, and the lease is not lost', () => {
  const early = earlyLeases(store);
  early.prepare(KEY);
  const gone = new Set(['aaaaaaaaaaaaaaaa' as LayerId]);
  expect(() => early.take(KEY, gone)).toThrow(LayersGoneError);
  early.close();
  expect(held()).toEqual([]);
});

test('one is given back while a program runs on: another process may have what stands below the step', () => {
  jest.useFakeTimers();
  try {
    const early = earlyLeases(store);
    early.prepare(KEY);
    jest.advanceTimersByTime(10_000);
    expect(held()).toEqual([]);
    expect(early.take(KEY, NO_LAYERS)).toBe(undefined);
    early.prepare(KEY);
    const lease = early.take(KEY, NO_LAYERS);
    jest.advanceTimersByTime(10_000);
    expect(held()).toEqual([KEY]);
    if (lease) releaseLease(store, lease);
  } finally {
    jest.useRealTimers();
  }
});

test('one that another build of this process has given back is none', () => {
  const early = earlyLeases(store);
  early.prepare(KEY);
  // As publishing an entry of a shared cache does.
  getTables(store).held.delete(KEY);
  getTables(store).leases.remove(KEY);
  expect(early.take(KEY, NO_LAYERS)).toBe(undefined);
});
