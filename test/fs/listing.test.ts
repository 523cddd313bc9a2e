/** Listings: the same by Node's calls and by wiac-sys, from whatever directory. */
import { spawnSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import type { Stack } from '../../src/fs/layer/stack.js';
import { stackOn } from '../../src/fs/layer/stack.js';
import { stackSource } from '../../src/fs/layer/stack-source.js';
import type { ScannedDirectory } from '../../src/fs/scan/listing.js';
import { listTree } from '../../src/fs/scan/listing.js';
import { openContext } from '../../src/fs/scan/local-context.js';
import type { DirectoryNumbers } from '../../src/fs/scan/stat-names.js';
import { lstatEach, statMany } from '../../src/fs/scan/stat-names.js';
import type { TreeEntry } from '../../src/fs/scan/tree.js';
import { withWalkers } from '../../src/fs/walker.js';
import { listDirectories } from '../../src/native/list-directories.js';
import { toBytes } from '../../src/util/byte-string.js';
import { generator } from '../support/random.js';
import { tempDir, writeTree } from '../support/wiac.js';

const home = process.cwd();
afterEach(() => process.chdir(home));

async function listed(): Promise<readonly string[]> {
  const root = tempDir();
  writeTree(root, { 'a/b/c': '1', d: '2' });
  const { names, subdirectories } = await listTree(openContext(root, undefined), '');
  return [...names, ...(subdirectories.get('a')?.subdirectories.get('b')?.names ?? [])];
}

test('the current directory is what it was', async () => {
  expect(await listed()).toEqual(['a', 'd', 'c']);
  expect(process.cwd()).toBe(home);
});

test('one that has been removed is no obstacle, and is not left', async () => {
  const gone = tempDir();
  process.chdir(gone);
  // Node remembers what it is called.
  expect(process.cwd()).toContain(gone);
  rmdirSync(gone);
  expect(await listed()).toEqual(['a', 'd', 'c']);
  expect(readlinkSync('/proc/self/cwd')).toBe(`${gone} (deleted)`);
});

/** Directories of a root, to be looked at. */
function directories(root: string, all: Readonly<Record<string, readonly string[]>>) {
  const listing = { names: [], rootOf: () => root };
  return Object.entries(all).map(([path, names]) => {
    const numbers: DirectoryNumbers | undefined = undefined;
    return { path, names, listing, numbers: numbers as DirectoryNumbers | undefined };
  });
}

test('wiac-sys says of files what Node says, to the last bit', async () => {
  const root = tempDir();
  writeTree(root, { 'd/f': 'f', 'd/link': '-> /nowhere', 'd/e/x': 'x', 'd/b\u00e4r': 'x' });
  const script =
    'mkfifo fifo; mknod node c 259 65539; ln f again; chmod 6751 f; chown 7:4294967294 f; truncate -s 9T big; touch -d @-1.000000001 fifo; touch -d "2026-11-28 12:00:00.123456789" again; touch -h -d @1000000000 link; touch -d @4294967295.999999999 e/x';
  expect(String(spawnSync('sh', ['-ec', script], { cwd: join(root, 'd') }).stderr)).toBe('');
  const names = ['again', 'big', 'bär', 'e', 'f', 'fifo', 'gone', 'link', 'node'];
  const all = directories(root, { d: names, '': ['d', 'gone'], 'd/e': ['x'] });
  await statMany(all);
  for (const directory of all) {
    const node = withWalkers((walkers) => lstatEach(directory, walkers));
    expect(directory.numbers).toEqual(node);
  }
  expect(all[0]?.numbers?.directories).toEqual(['e']);
  expect([...(all[0]?.numbers?.gone ?? [])]).toEqual(['gone']);
});

test('a directory that is gone, or is a link by now, has no numbers', async () => {
  const root = tempDir();
  writeTree(root, { 'd/f': 'f', link: '-> d', 'file/x': '' });
  rmSync(join(root, 'file'), { recursive: true });
  writeTree(root, { file: '' });
  const all = directories(root, { gone: ['f'], d: ['f'], link: ['f'], file: ['x'], none: [] });
  await statMany(all);
  expect(all.map(({ numbers }) => numbers?.gone.size)).toEqual([
    undefined,
    0,
    undefined,
    undefined,
    undefined,
  ]);
});

test('many files: a tree that is listed by wiac-sys', async () => {
  const root = tempDir();
  const script =
    'for d in 1 2 3 4 5 6; do mkdir -p $d/in; (cd $d/in; seq 1000 1999 | xargs touch); done; touch 3/last';
  spawnSync('sh', ['-c', script], { cwd: root });
  const source = openContext(root, undefined);
  const { subdirectories } = await listTree(source, '');
  expect([...subdirectories.keys()]).toEqual(['1', '2', '3', '4', '5', '6']);
  for (const [name, { names, subdirectories: below }] of subdirectories) {
    expect(names).toEqual(name === '3' ? ['in', 'last'] : ['in']);
    expect(below.get('in')?.names).toHaveLength(1000);
    expect(below.get('in')?.getChildren().at(-1)).toMatchObject({
      name: '1999',
      stats: { kind: 'file' },
    });
  }
  source.close();
});

/** All that a listing says, with the directories in it. */
function whatIsIn(directory: ScannedDirectory): unknown {
  const { path, count, names, nameBytes, fields, others, subdirectories } = directory;
  const below = [...subdirectories].map(([name, one]) => [name, whatIsIn(one)]);
  return { path, count, names, bytes: String(nameBytes), fields, others, below };
}

test('many directories: wiac-sys lists them as Node does, whatever the names are', async () => {
  const root = tempDir();
  const odd = [
    '\u{1f600}',
    '\uffef',
    '\ue000',
    'z',
    'a',
    'B',
    '\u00e4',
    '\n',
    '-',
    'a b',
    '"',
    '\u{10ffff}x',
  ];
  for (let directory = 0; directory < 120; directory += 1) {
    const path = `all/d${directory}${odd[directory % odd.length]}`;
    writeTree(root, { [`${path}/below/f`]: 'x', [`${path}/link`]: '-> /nowhere' });
    if (directory % 2 === 0) for (const name of odd) writeTree(root, { [`${path}/${name}`]: name });
    else mkdirSync(join(root, path, 'empty'));
  }
  spawnSync('mkfifo', [join(root, 'all/fifo')]);
  const source = openContext(root, undefined);
  expect(source.plainRoot?.('')).toBeDefined();
  const [atOnce, oneByOne] = [source, { ...source, plainRoot: undefined }];
  const listed = whatIsIn(await listTree(atOnce, ''));
  expect(listed).toEqual(whatIsIn(await listTree(oneByOne, '')));
  source.close();
});

test('a name that is not UTF-8 stays itself, be it in many directories', async () => {
  const root = tempDir();
  for (let directory = 0; directory < 120; directory += 1) mkdirSync(join(root, `d${directory}`));
  for (const byte of [0xfe, 0xff])
    writeFileSync(Buffer.concat([Buffer.from(`${root}/d77/`), Buffer.from([byte])]), '');
  const source = openContext(root, undefined);
  const { subdirectories } = await listTree(source, '');
  const listed = subdirectories.get('d77');
  expect(listed?.nameBytes).toEqual(Buffer.from([0xfe, 0, 0xff, 0]));
  expect(listed?.getChildren().map(({ stats }) => stats.kind)).toEqual(['file', 'file']);
  source.close();
});

test('what .dockerignore leaves out is not listed, be it in many directories', async () => {
  const root = tempDir();
  for (let directory = 0; directory < 120; directory += 1)
    writeTree(root, { [`d${directory}/in`]: '', [`d${directory}/out`]: '' });
  writeTree(root, { '.dockerignore': '*/out\n' });
  const source = openContext(root, undefined);
  expect(source.plainRoot?.('')).toBeUndefined();
  const { subdirectories } = await listTree(source, '');
  expect([...subdirectories.values()].map(({ names }) => names)).toEqual(
    Array.from({ length: 120 }, () => ['in']),
  );
  source.close();
});

test('a directory that was asked for, and goes between its names and its files, is an error of the context', async () => {
  const root = tempDir();
  writeTree(root, { 'd/f': 'f' });
  const context = openContext(root, undefined);
  const going = {
    ...context,
    list: (path: string) => {
      const listing = context.list(path);
      rmSync(join(root, 'd'), { recursive: true });
      return listing;
    },
  };
  await expect(listTree(going, 'd')).rejects.toMatchObject({
    code: 'CONTEXT',
    message: 'd in the build context was removed while it was read',
  });
});

test('a directory that one of several layers has is listed by wiac-sys; whiteouts are not shown', async () => {
  const below = tempDir();
  const above = tempDir();
  writeTree(below, { 'other/x': 'x', 'both/low': 'x' });
  writeTree(above, { 'both/high': 'x' });
  for (let directory = 0; directory < 120; directory += 1)
    writeTree(above, { [`whole/d${directory}/in/f`]: 'x', [`whole/d${directory}/g`]: 'x' });
  // As an archive has them that says more than it has to.
  spawnSync('mknod', [join(above, 'whole/d7/gone'), 'c', '0', '0']);
  spawnSync('mknod', [join(above, 'whole/d8/device'), 'c', '7', '0']);
  const entry = { type: 'dir', digest: 'sha256:whole' } as unknown as TreeEntry;
  const digested = (path: string) => (path.startsWith('whole') ? entry : undefined);
  const layers = [below, above].map((path) => ({ path, opaque: new Set<string>(), digested }));
  const source = stackSource(layers.reduce(stackOn, []), 'stage build');
  expect(['', 'both', 'whole/d7'].map((path) => source.plainRoot?.(path))).toEqual([
    undefined,
    undefined,
    above,
  ]);
  const atOnce = whatIsIn(await listTree(source, ''));
  expect(atOnce).toEqual(whatIsIn(await listTree({ ...source, plainRoot: undefined }, '')));
  const { subdirectories } = await listTree(source, 'whole');
  expect(subdirectories.get('d7')?.names).toEqual(['g', 'in']);
  expect(subdirectories.get('d8')?.names).toEqual(['device', 'g', 'in']);
  source.close();
});

/** A layer of random entries in few names, and which of its directories are opaque. */
function randomLayer(random: () => number, whiteout: string) {
  const path = tempDir();
  const opaque = new Set<string>();
  const directories = new Set<string>();
  const fill = (directory: string, depth: number): void => {
    for (const name of ['a', 'b', 'c', '\uFFFD', '\u{1F600}', '\u{10FFFF}']) {
      const [kind, at] = [random(), `${directory}${name}`];
      const bytes = Buffer.concat([Buffer.from(`${path}/`), toBytes(at)]);
      if (kind < 0.5 && depth < 3) {
        mkdirSync(bytes);
        directories.add(at);
        if (random() < 0.2) opaque.add(at);
        fill(`${at}/`, depth + 1);
      } else if (kind < 0.6) writeFileSync(bytes, at);
      else if (kind < 0.7) symlinkSync('a', bytes);
      else if (kind < 0.75) linkSync(whiteout, bytes);
    }
  };
  fill('', 0);
  const entry = (type: string) => ({ type, digest: '' }) as unknown as TreeEntry;
  const digested = (at: string) => entry(directories.has(at) ? 'dir' : 'file');
  return { path, opaque, digested };
}

/** The same in full depth. */
function all({ subdirectories, ...directory }: ScannedDirectory): unknown {
  const children = directory.getChildren().map(({ name, place, stats }) => [name, place, stats]);
  return [children, [...subdirectories].map(([name, below]) => [name, all(below)])];
}

test('random layers are listed at once as they are one by one', async () => {
  const random = generator(11);
  const whiteout = join(tempDir(), 'whiteout');
  spawnSync('mknod', [whiteout, 'c', '0', '0']);
  for (let round = 0; round < 5; round += 1) {
    const layers = Array.from({ length: 1 + (round % 3) }, () => randomLayer(random, whiteout));
    for (const stack of [layers, [...layers].reverse().reduce(stackOn, [] as Stack)]) {
      const source = stackSource(stack, 'stage');
      // While it runs, 8 directories are many.
      await listDirectories(layers[0]?.path ?? '', ['']);
      expect(all(await listTree(source, ''))).toEqual(
        all(await listTree({ ...source, plainRoot: undefined }, '')),
      );
      source.close();
    }
  }
});
