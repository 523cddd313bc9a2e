/** When a build puts its own files on disk alone. */
import { afterEach, describe, expect, test } from '@jest/globals';
import type { CacheIndex } from '../../src/store/index/index-db.js';
import { recordMark } from '../../src/store/index/record-files.js';
import type { LayerId } from '../../src/store/records.js';
import { blobMark, layerMark } from '../../src/store/recovery/durability.js';
import { noteFresh } from '../../src/store/recovery/fresh-files.js';
import { dueOf, isWorthIt } from '../../src/store/recovery/own-sync.js';

const MB = 1_000_000;

test.each<[string, { files: number; bytes: number }, number, boolean]>([
  ['nobody else has written anything', { files: 20_000, bytes: 80 * MB }, 80 * MB, false],
  ['others have written little', { files: 3, bytes: MB }, 9 * MB, false],
  ['others have written a checkout', { files: 300, bytes: MB }, 80 * MB, true],
  ['looking at each file takes longer', { files: 100_000, bytes: MB }, 400 * MB, false],
  ['what others have written takes longest', { files: 100_000, bytes: MB }, 4000 * MB, true],
  ['the kernel has written ours already', { files: 10, bytes: 500 * MB }, 0, false],
])('%s', (_, due, dirty, expected) => {
  expect(isWorthIt({ ...due, paths: [] }, dirty)).toBe(expected);
});

const LAYERS: Readonly<
  Record<string, { files: number; disk: number; links?: { disk: number }; external?: string }>
> = {
  own: { files: 7, disk: 4096 },
  linked: { files: 20_000, disk: 90_000, links: { disk: 86_000 } },
  adopted: { files: 7, disk: 0, external: '/var/lib/containers/storage/overlay/a/diff' },
};
const UNSYNCED = new Set<string>();
const INDEX = {
  layers: { get: (id: string) => LAYERS[id], doesExist: (id: string) => id in LAYERS },
  unsynced: { doesExist: (mark: string) => UNSYNCED.has(mark) },
  fresh: new Map(),
} as unknown as CacheIndex;
const id = (name: string) => name as LayerId;

test('what has a mark is put on disk, each where it lies in the store', () => {
  const marks = [layerMark(id('own')), blobMark('sha256:ab'), recordMark('steps', 'k')];
  // A layer that was removed meanwhile has no files any more.
  expect(dueOf(INDEX, [...marks, layerMark(id('gone'))])).toEqual({
    paths: ['layers/own', 'blobs/sha256/ab', 'records/entries/k.json', 'layers/gone'],
    files: 11,
    bytes: 4096,
  });
});

describe('a layer with links into another one', () => {
  const due = () => dueOf(INDEX, [layerMark(id('linked'))]);
  const note = (former: string) =>
    noteFresh(INDEX, id('linked'), { paths: ['a', 'd/b', ''], former: id(former) });
  const whole = { paths: ['layers/linked'], files: 20_001, bytes: 4000 };

  afterEach(() => {
    UNSYNCED.clear();
    INDEX.fresh.clear();
  });

  test('only its other files are put on disk', () => {
    note('own');
    const paths = ['layers/linked/diff/a', 'layers/linked/diff/d/b', 'layers/linked/diff'];
    expect(due()).toEqual({ paths, files: 3, bytes: 4000 });
  });

  test('all are where the other one may not be on disk', () => {
    UNSYNCED.add(layerMark(id('own')));
    note('own');
    expect(due()).toEqual(whole);
  });

  test('all are where the other one was removed, and may not have been on disk', () => {
    note('gone');
    expect(due()).toEqual(whole);
  });

  test('all are where this process did not make it', () => expect(due()).toEqual(whole));
});

test('files that another program keeps are not in the store: syncfs is for them', () => {
  expect(dueOf(INDEX, [layerMark(id('own')), layerMark(id('adopted'))])).toBe(undefined);
});
