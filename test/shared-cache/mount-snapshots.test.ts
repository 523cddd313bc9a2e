/** Snapshots of cache mounts: what is read of a list, which files stay, which packs are written anew. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import type { Digest } from '../../src/oci/resolved-image.js';
import type { EntryList } from '../../src/shared-cache/entry-list.js';
import { EMPTY_LIST, mergeLists, withoutMounts } from '../../src/shared-cache/merge-lists.js';
import { chooseRecent, lastUse } from '../../src/shared-cache/mounts/choose-files.js';
import { choosePacks } from '../../src/shared-cache/mounts/choose-packs.js';
import { compactPacks, isSameSnapshot } from '../../src/shared-cache/mounts/compact-packs.js';
import {
  encodeEntry,
  encodeFiles,
  encodeMember,
} from '../../src/shared-cache/mounts/encode-snapshot.js';
import { isListedMount, parseFiles } from '../../src/shared-cache/mounts/parse-snapshot.js';
import type { ListedMount, Pack, SnapshotEntry } from '../../src/shared-cache/mounts/snapshot.js';
import { measureSnapshot } from '../../src/shared-cache/mounts/snapshot.js';
import { parseCacheFrom, parseCacheTo } from '../../src/shared-cache/spec.js';

const hex = (digit: string) => digit.repeat(64);
const pack = (digit: string, bytes: number): Pack => ({
  digest: `sha256:${hex(digit)}` as Digest,
  size: bytes,
  compression: 'gzip',
  bytes,
});
const PACKS = [pack('a', 100), pack('b', 50)];
const ATTRIBUTES = {
  mode: 0o4755,
  uid: 1,
  gid: 2,
  mtime: { seconds: -5, nanoseconds: 999_999_999 },
};

function file(path: string, place: number, offset: number, size: number, digit = '1') {
  const at = { pack: place, offset, size };
  return {
    type: 'file',
    path,
    ...ATTRIBUTES,
    used: 20_000,
    digest: hex(digit),
    place: at,
  } as const;
}

const { mode: _, ...LINK_ATTRIBUTES } = ATTRIBUTES;
const ENTRIES: readonly SnapshotEntry[] = [
  { type: 'directory', path: 'd', ...ATTRIBUTES },
  file('d/a', 0, 0, 60),
  { type: 'link', path: 'd/b', target: 'd/a' },
  { type: 'symlink', path: 'd/c', ...LINK_ATTRIBUTES, target: '/etc/passwd' },
  file('d/n\xc3\xa4me \xff', 1, 10, 40, '2'),
  file('empty', 0, 0, 0, 'e'),
];

const parse = (rows: unknown) =>
  parseFiles(gzipSync(JSON.stringify({ version: 1, files: rows })), PACKS, 'TITLE').entries;
const rowsOf = (entries: readonly SnapshotEntry[]) =>
  entries.map((entry) => [...encodeEntry(entry)]) as unknown[][];
/** In two parts. */
const encoded = (entries: readonly SnapshotEntry[]) =>
  encodeFiles(
    [entries.slice(0, 2), entries.slice(2)].filter(({ length }) => length > 0).map(encodeMember),
  );

describe('the list of files', () => {
  test('says again what was written', () => {
    expect(parseFiles(encoded(ENTRIES), PACKS, 'TITLE')).toEqual({
      packs: PACKS,
      entries: ENTRIES,
    });
    expect(measureSnapshot({ packs: PACKS, entries: ENTRIES })).toEqual({ count: 5, bytes: 100 });
  });

  const [directory = [], plain = [], link = [], symlink = []] = rowsOf(ENTRIES);
  const changed = (row: unknown[], at: number, value: unknown) =>
    row.map((item, index) => (index === at ? value : item));
  const at = (path: string) => [directory, changed(plain, 1, path)];

  test.each<[string, unknown]>([
    ['a path that leads out', at('../a')],
    ['a path that leads out later', at('d/../../a')],
    ['an absolute path', at('/a')],
    ['the mount itself', at('')],
    ['a dot', at('d/./a')],
    ['a NUL', at('d/a\0b')],
    ['a character that is no byte', at('d/\u0100')],
    ['a name that is too long', at(`d/${'n'.repeat(256)}`)],
    ['a directory that is not there', [plain]],
    ['a file below a symbolic link', [directory, symlink, changed(plain, 1, 'd/c/x')]],
    ['a path that is there twice', [directory, plain, plain]],
    ['a link to what is not there', [directory, link]],
    ['a link to a symbolic link', [directory, symlink, changed(link, 2, 'd/c')]],
    ['a link that leads out', [directory, plain, changed(link, 2, '../../etc/passwd')]],
    ['a device', [changed(directory, 0, 'c')]],
    ['an owner that is none', [changed(directory, 2, -1)]],
    ['permissions that are none', [changed(directory, 6, 0o10000)]],
    ['a content outside of its pack', [directory, changed(plain, 11, 101)]],
    ['a pack that is not there', [directory, changed(plain, 9, 2)]],
    ['a digest that is none', [directory, changed(plain, 8, 'abc')]],
    ['contents that overlap', [directory, plain, changed(changed(plain, 1, 'x'), 10, 30)]],
    ['one place for two digests', [directory, plain, changed(changed(plain, 1, 'x'), 8, hex('9'))]],
    ['no list', 'files'],
    ['no row', [7]],
  ])('%s is refused', (_, rows) => {
    expect(() => parse(rows)).toThrow('the cache mount of TITLE is damaged');
  });

  test('a large content with several names is refused: a small list would fill a disk', () => {
    const large = [pack('a', 32 << 20)];
    const entries = [file('a', 0, 0, 32 << 20), file('b', 0, 0, 32 << 20)];
    expect(() => parseFiles(encoded(entries), large, 'TITLE')).toThrow('several');
  });

  test('another version, and what is no list, are errors', () => {
    const version = gzipSync('{"version":2,"files":[]}');
    expect(() => parseFiles(version, PACKS, 'TITLE')).toThrow('version 2');
    expect(() => parseFiles(Buffer.from('{'), PACKS, 'TITLE')).toThrow("can't be read");
  });

  test('a mount of the list of entries is checked', () => {
    const files = { digest: `sha256:${hex('c')}`, size: 1 };
    const root = { mode: 0o755, uid: 0, gid: 0 };
    const name = '0'.repeat(32);
    const mount = { name, id: '/c', root, files, packs: PACKS, count: 1, bytes: 1, created: 1 };
    expect(isListedMount(mount)).toBe(true);
    for (const wrong of [
      { name: '../../x' },
      { id: 1 },
      { files: { digest: 'sha256:x', size: 1 } },
      { packs: [{ ...PACKS[0], compression: 'toString' }] },
      { root: { ...root, mode: 0o20000 } },
      { bytes: -1 },
    ])
      expect(isListedMount({ ...mount, ...wrong })).toBe(false);
  });
});

describe('which files stay', () => {
  const item = (used: number, bytes: number) => ({ used, bytes });

  test('those that were used last', () => {
    const items = [item(1, 40), item(3, 40), item(2, 40)];
    expect([...chooseRecent(items, 100)].map(({ used }) => used).sort()).toEqual([2, 3]);
    expect(chooseRecent(items, 120).size).toBe(3);
    expect(chooseRecent(items, 0).size).toBe(0);
  });

  test('a file that is too large alone does not cost the others', () => {
    const items = [item(9, 1000), item(1, 40), item(2, 40)];
    expect([...chooseRecent(items, 100)].map(({ used }) => used).sort()).toEqual([1, 2]);
  });

  test('a time of access counts, else that of the last write; the future does not', () => {
    const times = { atimeMs: 5, mtimeMs: 3, ctimeMs: 4, now: 100 };
    expect(lastUse({ ...times, before: undefined })).toBe(5);
    expect(lastUse({ ...times, atimeMs: 1, before: undefined })).toBe(4);
    expect(lastUse({ ...times, mtimeMs: 4_000, before: undefined })).toBe(5);
    // Brought back a moment ago (ctime), and not read since: what was known before counts.
    expect(lastUse({ atimeMs: 1, mtimeMs: 1, ctimeMs: 99, before: 20, now: 100 })).toBe(20);
    expect(lastUse({ atimeMs: 50, mtimeMs: 1, ctimeMs: 99, before: 20, now: 100 })).toBe(50);
  });
});

describe('which packs are written anew', () => {
  const FULL = 16 << 20;
  const use = (bytes: number, live = bytes) => ({ bytes, live });

  test('one that is mostly dead; one that is all dead is left out', () => {
    const packs = [use(FULL), use(FULL, FULL / 2 - 1), use(FULL, 0), use(FULL, FULL / 2)];
    expect([...choosePacks(packs, FULL)]).toEqual([1]);
  });

  test('small ones when there are many: the number of packs grows with the logarithm', () => {
    expect(choosePacks(Array(8).fill(use(1000)), FULL).size).toBe(0);
    expect(choosePacks(Array(9).fill(use(1000)), FULL).size).toBe(9);
    // A thousand snapshots, each with a change of 10,000 bytes.
    let packs: { bytes: number; live: number }[] = [];
    let written = 0;
    let most = 0;
    for (let at = 0; at < 1000; at += 1) {
      const chosen = choosePacks(packs, FULL);
      const moved = packs.filter((_, place) => chosen.has(place));
      const bytes = moved.reduce((sum, one) => sum + one.bytes, 10_000);
      written += bytes;
      packs = [...packs.filter((_, place) => !chosen.has(place)), use(bytes)];
      most = Math.max(most, packs.length);
    }
    expect(most).toBeLessThan(40);
    expect(written).toBeLessThan(6 * 1000 * 10_000);
  });

  test('what nothing needs is left out, and the numbers follow', () => {
    const packs = [pack('a', 10), pack('b', 10), pack('c', 10)];
    const compact = compactPacks(packs, [file('x', 2, 0, 10), file('y', 0, 0, 10)]);
    expect(compact.packs.map(({ digest }) => digest)).toEqual([packs[0]?.digest, packs[2]?.digest]);
    expect(compact.entries).toEqual([file('x', 1, 0, 10), file('y', 0, 0, 10)]);
  });

  test('a snapshot is the same unless a file, a pack or a day of use differs', () => {
    const snapshot = { packs: PACKS, entries: ENTRIES };
    const again = () => parseFiles(encoded(ENTRIES), PACKS, 'TITLE');
    expect(isSameSnapshot(snapshot, again())).toBe(true);
    for (const change of [{ used: 20_001 }, { mode: 0o644 }, { digest: hex('7') }, { path: 'z' }]) {
      const entries = again().entries.map((entry) =>
        entry.path === 'd/a' ? ({ ...entry, ...change } as SnapshotEntry) : entry,
      );
      expect(isSameSnapshot(snapshot, { packs: PACKS, entries })).toBe(false);
    }
    expect(isSameSnapshot(snapshot, { ...again(), packs: [] })).toBe(false);
  });
});

describe('two jobs that write at once', () => {
  const files = (digit: string) => ({ digest: `sha256:${hex(digit)}` as Digest, size: 1 });
  const mount = (name: string, digit: string, created: number): ListedMount => ({
    ...{ name, id: name, root: { mode: 0, uid: 0, gid: 0 }, files: files(digit), packs: [] },
    ...{ count: 1, bytes: 1, created },
  });
  const list = (...mounts: ListedMount[]): EntryList => ({ ...EMPTY_LIST, mounts });
  const digits = ({ mounts = [] }: EntryList) => mounts.map((one) => one.files.digest[7]).join('');

  test('the later snapshot of a mount stays, whoever merges; other mounts stay', () => {
    const [a, b] = [list(mount('x', '1', 5), mount('y', '2', 1)), list(mount('x', '3', 6))];
    expect(digits(mergeLists(a, b))).toBe('32');
    expect(digits(mergeLists(b, a))).toBe('32');
    const [c, d] = [list(mount('x', '1', 5)), list(mount('x', '3', 5))];
    expect(digits(mergeLists(c, d))).toBe(digits(mergeLists(d, c)));
  });

  test('a snapshot that a job replaces goes, whatever its clock said', () => {
    const there = withoutMounts(list(mount('x', '9', 99)), new Set([files('9').digest]));
    expect(digits(mergeLists(list(mount('x', '1', 5)), there))).toBe('1');
    expect(withoutMounts(list(mount('x', '9', 99)), new Set())).toEqual(list(mount('x', '9', 99)));
  });
});

describe('options', () => {
  const to = (text: string) => parseCacheTo(`type=local,dest=d,${text}`, {}).mounts;
  const from = (text: string) => parseCacheFrom(`type=local,src=d${text}`, {})[0]?.mounts;
  const GIB = 2 ** 30;

  test.each<[string, unknown]>([
    ['mounts=true', { ids: 'all', most: 2 * GIB }],
    ['mounts=false', undefined],
    ['mode=max', undefined],
    ['mounts=/root/.npm', { ids: ['/root/.npm'], most: 2 * GIB }],
    ['"mounts=a,b",mounts-max=500M', { ids: ['a', 'b'], most: 500 * 2 ** 20 }],
    ['mounts=a,mounts=b', { ids: ['a', 'b'], most: 2 * GIB }],
    ['mounts=true,mounts=b', { ids: ['true', 'b'], most: 2 * GIB }],
  ])('--cache-to %s', (text, mounts) => {
    expect(to(text)).toEqual(mounts);
  });

  test('--cache-from brings mounts back unless it says otherwise', () => {
    expect(from('')).toEqual({ ids: 'all', most: 10 * GIB });
    expect(from(',mounts=false')).toBeUndefined();
    expect(from(',mounts=a,mounts-max=1k')).toEqual({ ids: ['a'], most: 1024 });
  });

  test.each([
    ['mounts=', 'ids of cache mounts'],
    ['"mounts=a,,b"', 'ids of cache mounts'],
    ['mounts=true,mounts-max=lots', 'mounts-max is a size'],
    ['mounts-max=2G', 'mounts-max needs mounts=true'],
  ])('%s is refused', (text, why) => {
    expect(() => to(text)).toThrow(why);
  });

  test('an image has no room for mounts', () => {
    expect(() => parseCacheTo('type=inline,mounts=true', {})).toThrow('no room for cache mounts');
  });
});
