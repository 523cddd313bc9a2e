/** Jobs that write to one shared cache, one step of theirs after the other. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { getDigest } from '../../src/oci/blob-digest.js';
import { ImageError } from '../../src/oci/image-error.js';
import type { ImageSink } from '../../src/oci/resolved-image.js';
import { mergeCache, readListed } from '../../src/shared-cache/merge-cache.js';
import { cachePlace, type Place } from '../../src/shared-cache/places.js';
import { listOf } from './lists.js';

const BOUNDS = { maxEntries: 100, maxAgeDays: 30 };
const WRITING = { signKey: undefined, bounds: BOUNDS, today: 20_000 };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-merge-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const newPlace = (): Promise<Place> =>
  cachePlace({ type: 'local', directory: join(root, 'cache'), tag: 'latest' });
const texts = async (place: Place) =>
  (await readListed(place, undefined))?.entries.map(({ inputs }) => inputs.text).sort();

/** The place, for a job that another one gets ahead of. */
function whenSent(place: Place, after: (sink: ImageSink) => ImageSink): Place {
  return { ...place, sink: () => after(place.sink()) };
}

test('a list that another job has written since it was read is not written over', async () => {
  const place = await newPlace();
  const named: unknown[] = [];
  let isFirst = true;
  const slow = whenSent(place, (sink) => ({
    ...sink,
    putBlob: async (descriptor, open) => {
      await sink.putBlob(descriptor, open);
      // Our list is there, without its name: this is when the other one writes.
      if (isFirst) await mergeCache(place, listOf('other'), [], WRITING);
      isFirst = false;
    },
    putManifest: async (bytes, mediaType, role, annotations) => {
      named.push(await texts(place));
      return sink.putManifest(bytes, mediaType, role, annotations);
    },
  }));
  await mergeCache(place, listOf('first'), [], WRITING);
  await mergeCache(slow, listOf('own'), [], WRITING);
  expect(await texts(place)).toEqual(['first', 'other', 'own']);
  // Only after what the other one wrote was read.
  expect(named).toEqual([['first', 'other']]);
});

test('what another job has written over our list gets our entries as well', async () => {
  const place = await newPlace();
  let isFirst = true;
  const overwritten = whenSent(place, (sink) => ({
    ...sink,
    putManifest: async (bytes, mediaType, role, annotations) => {
      const made = await sink.putManifest(bytes, mediaType, role, annotations);
      if (isFirst) {
        isFirst = false;
        // It had asked before we wrote.
        const other = place.sink();
        const { nameList, prepareList } = await import('../../src/shared-cache/write-cache.js');
        await nameList(other, await prepareList(other, listOf('other'), undefined));
        await other.close();
      }
      return made;
    },
  }));
  await mergeCache(overwritten, listOf('own'), [], WRITING);
  expect(await texts(place)).toEqual(['other', 'own']);
});

test.each([
  ['that was emptied', []],
  ['that somebody has replaced by another cache', ['of the other cache']],
])('a directory %s gets what it was seen to have', async (_title, there) => {
  const place = await newPlace();
  for (const text of there) await mergeCache(place, listOf(text), [], WRITING);
  const bytes = Buffer.from('blob');
  const descriptor = { mediaType: 'application/octet-stream', digest: getDigest(bytes), size: 4 };
  const blob = { descriptor, open: () => Readable.from([bytes]) };
  const seen = new Set([descriptor.digest]);
  await mergeCache(place, listOf('own'), [blob], { ...WRITING, seen });
  expect(await place.sink().hasBlob(descriptor.digest)).toBe(true);
  expect(await texts(place)).toEqual([...there, 'own']);
});

describe('a place that can not be read', () => {
  const failing = (place: Place, error: () => ImageError): Place => ({
    ...place,
    source: () => ({ ...place.source(), artifacts: () => Promise.reject(error()) }),
  });
  const reset = Object.assign(new Error('reset'), { code: 'ECONNRESET' });
  const late = new DOMException('late', 'TimeoutError');

  test.each([
    ['is too busy', { status: 503 }],
    ['restarts', { cause: reset }],
    ['takes too long', { cause: late }],
  ])('keeps what others have written when it %s', async (_title, options) => {
    const place = await newPlace();
    await mergeCache(place, listOf('first'), [], WRITING);
    const broken = failing(place, () => new ImageError('no answer', options));
    await expect(mergeCache(broken, listOf('own'), [], WRITING)).rejects.toThrow('no answer');
    expect(await texts(place)).toEqual(['first']);
  });

  test('is written anew when its list is damaged', async () => {
    const place = await newPlace();
    await mergeCache(place, listOf('first'), [], WRITING);
    const damaged = failing(place, () => new ImageError('no tag', { status: 500 }));
    await mergeCache(damaged, listOf('own'), [], WRITING);
    expect(await texts(place)).toEqual(['own']);
  });
});
