/** What a shared cache holds when several jobs write to it. */
import { describe, expect, test } from '@jest/globals';
import type { DefinitionKey, OperationDigest } from '../../src/keys/digest.js';
import type { Digest } from '../../src/oci/resolved-image.js';
import type { EntryList, ListedEntry } from '../../src/shared-cache/entry-list.js';
import { encodeList } from '../../src/shared-cache/entry-list.js';
import {
  boundList,
  dayOf,
  EMPTY_LIST,
  listedBlobs,
  mergeLists,
  notingUse,
  withoutFuture,
} from '../../src/shared-cache/merge-lists.js';

const TODAY = 20_000;
const DAY_MS = 86_400_000;

/** A chain: each entry stands on the layers of those before it. */
function listOf(names: readonly string[], created = TODAY * DAY_MS): EntryList {
  const layers = names.map((name) => ({
    diffId: `sha256:${name}` as Digest,
    blob: { digest: `sha256:blob-${name}` as Digest, size: 1, compression: 'gzip' } as const,
  }));
  const entries = names.map(
    (name, at): ListedEntry => ({
      key: name as DefinitionKey,
      operation: name as OperationDigest,
      inputs: { text: name } as never,
      parents: { base: Array.from({ length: at }, (_, below) => below), reads: [] },
      layer: at,
      created,
      durationMs: 1,
    }),
  );
  return { version: 1, layers, entries };
}

/** Entries with the layers that they name. */
function readable({ entries, layers }: EntryList): Record<string, string> {
  const name = (at: number) => layers[at]?.diffId.replace('sha256:', '') ?? '?';
  return Object.fromEntries(
    entries.map(({ key, layer, parents }) => [
      key,
      `${name(layer ?? -1)} on ${parents?.base.map(name).join()}`,
    ]),
  );
}

describe('two jobs', () => {
  const [one, two] = [listOf(['base', 'a', 'b']), listOf(['base', 'c'])];

  test('all entries stay, each with its own layers', () => {
    expect(readable(mergeLists(two, one))).toEqual({
      base: 'base on ',
      a: 'a on base',
      b: 'b on base,a',
      c: 'c on base',
    });
    expect(listedBlobs(mergeLists(two, one))).toHaveLength(4);
  });

  test('who writes first makes no difference, and once more changes nothing', () => {
    const merged = encodeList(mergeLists(one, mergeLists(two, EMPTY_LIST)));
    expect(encodeList(mergeLists(two, mergeLists(one, EMPTY_LIST)))).toEqual(merged);
    const again = mergeLists(one, mergeLists(two, mergeLists(one, EMPTY_LIST)));
    expect(encodeList(again)).toEqual(merged);
  });

  test('of an entry that was made twice the newer one counts, and the blob that one of them has', () => {
    const newer = listOf(['base'], TODAY * DAY_MS + 5);
    const merged = mergeLists(one, newer);
    expect(merged.entries.find(({ key }) => key === 'base')?.created).toBe(TODAY * DAY_MS + 5);
    const bare = { ...newer, layers: newer.layers.map(({ diffId }) => ({ diffId })) };
    expect(listedBlobs(mergeLists(bare, one))).toHaveLength(3);
  });
});

describe('bounds', () => {
  const old = mergeLists(listOf(['x', 'y'], (TODAY - 40) * DAY_MS), EMPTY_LIST);

  test('a use keeps an entry young', () => {
    const used = notingUse(old, TODAY - 10);
    const merged = mergeLists(listOf(['z']), used);
    const bounds = { maxEntries: 10, maxAgeDays: 10 };
    expect(Object.keys(readable(boundList(merged, bounds, TODAY)))).toEqual(['x', 'y', 'z']);
    expect(readable(boundList(merged, bounds, TODAY + 1))).toEqual({ z: 'z on ' });
    // What only they had is named no more.
    expect(listedBlobs(boundList(merged, bounds, TODAY + 1))).toHaveLength(1);
  });

  test('what was used last stays; a layer stays that something stands on', () => {
    const merged = mergeLists(listOf(['z']), old);
    const bounded = boundList(merged, { maxEntries: 2, maxAgeDays: 100 }, TODAY);
    expect(readable(bounded)).toEqual({ x: 'x on ', z: 'z on ' });
    const above = mergeLists(notingUse(listOf(['base', 'top']), TODAY), EMPTY_LIST);
    const entries = above.entries.map((entry) =>
      entry.key === 'base' ? { ...entry, used: TODAY - 50 } : entry,
    );
    const kept = boundList({ ...above, entries }, { maxEntries: 10, maxAgeDays: 10 }, TODAY);
    expect(readable(kept)).toEqual({ top: 'top on base' });
    expect(listedBlobs(kept)).toHaveLength(2);
  });
});

test('a time to come keeps nothing, and crowds nothing out', () => {
  const far = listOf(['x', 'y'], Number.MAX_SAFE_INTEGER);
  const used = far.entries.map((entry) => (entry.key === 'y' ? { ...entry, used: 1e15 } : entry));
  const there = withoutFuture({ ...far, entries: used }, TODAY);
  const bounds = { maxEntries: 1, maxAgeDays: 10 };
  const own = notingUse(listOf(['x', 'z']), TODAY);
  const kept = boundList(mergeLists(own, there), { ...bounds, maxEntries: 3 }, TODAY);
  // The same entry made by us is the newer one.
  expect(kept.entries.map(({ key, created }) => [key, created])).toEqual([
    ['x', TODAY * DAY_MS],
    ['y', 0],
    ['z', TODAY * DAY_MS],
  ]);
  expect(boundList(mergeLists(own, there), { ...bounds, maxEntries: 2 }, TODAY).entries).toEqual(
    mergeLists(own, EMPTY_LIST).entries,
  );
  // Two jobs whose clocks differ agree in the end.
  expect(withoutFuture(there, TODAY - 1)).toEqual(there);
});

test('a use is noted once a day', () => {
  expect(dayOf(TODAY * DAY_MS)).toBe(TODAY);
  expect(dayOf(TODAY * DAY_MS + DAY_MS - 1)).toBe(TODAY);
});
