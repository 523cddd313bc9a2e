import { expect, test } from '@jest/globals';
import type { DefinitionKey } from '../../src/keys/digest.js';
import { pageOf } from '../../src/serve/entry-page.js';
import type { EntrySummary } from '../../src/store/entries/cache-queries.js';

const ENTRIES = Array.from(
  { length: 10_000 },
  (_, index): EntrySummary => ({
    key: index.toString(16).padStart(64, '0') as DefinitionKey,
    kind: 'run',
    text: index % 2 === 0 ? `RUN make\npart ${index}` : `COPY \u202e${index} /`,
    created: index,
    lastUsed: index,
    hits: 0,
    durationMs: 1,
    layer: null,
    bytes: (index * 7919) % 10_000,
    files: 1,
  }),
);

const query = { text: '', sort: 'created', reverse: false, offset: 0, count: 3 } as const;
const created = (page: ReturnType<typeof pageOf>) => page.entries.map((entry) => entry.created);

test('a part of ten thousand, sorted', () => {
  const page = pageOf(ENTRIES, { ...query, offset: 9998 });
  expect(created(page)).toEqual([1, 0]);
  expect(page).toMatchObject({ offset: 9998, total: 10_000, bytes: 49_995_000 });
  const smallest = pageOf(ENTRIES, { ...query, sort: 'size', reverse: true });
  expect(smallest.entries.map(({ bytes }) => bytes)).toEqual([0, 1, 2]);
});

test('by a part of the instruction, or the beginning of the key', () => {
  expect(pageOf(ENTRIES, { ...query, text: ' run MAKE ' }).total).toBe(5000);
  expect(created(pageOf(ENTRIES, { ...query, text: `${'0'.repeat(60)}270f` }))).toEqual([9999]);
});

test('instructions are one line each, and harmless', () => {
  const { entries } = pageOf(ENTRIES, { ...query, count: 2 });
  expect(entries[1]?.text).toBe('RUN make part 9998');
  expect(entries[0]?.text).not.toContain('\u202e');
});
