/** `wiac cache prune`: what it frees, what it leaves, and what other processes notice of it. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { OutgoingCache } from '../../src/engine/exports/export-cache.js';
import { exportStore } from '../../src/engine/exports/transfer-cache.js';
import { getTables } from '../../src/store/index/tables.js';
import { useLayers } from '../../src/store/pins/uses.js';
import type { LayerId } from '../../src/store/records.js';
import { closeStore, openStore } from '../../src/store/store.js';
import type { PruneReport } from '../support/prune.js';
import { age, prune, QUIET } from '../support/prune.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent, Machine } from '../support/wiac.js';
import {
  context,
  dockerfile,
  printed,
  ranSteps,
  tempDir,
  WIAC,
  writeTree,
} from '../support/wiac.js';

const machine = warmMachines();

async function usage({ wiac }: Machine) {
  return JSON.parse((await wiac(['cache', 'du', '--format=json'])).stdout) as {
    diskBytes: number;
    blobBytes: number;
    bytes: number;
    reclaimableBytes: number;
    images: number;
    layers: number;
    mounts: { id: string; bytes: number }[];
  };
}

const removedTexts = ({ removed }: PruneReport) => removed.map(({ text }) => text).sort();

/** What du(1) says of the files of all layers. */
async function layerDiskUsage(root: string): Promise<number> {
  const paths = readdirSync(join(root, 'layers')).map((id) => join(root, 'layers', id, 'diff'));
  if (paths.length === 0) return 0;
  const { stdout } = await execa('du', ['-sc', '--block-size=1', ...paths]);
  return Number(stdout.split('\n').at(-1)?.split('\t')[0]);
}

describe('hard links', () => {
  async function versions(): Promise<Machine> {
    const made = machine();
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [`files/${at}`, `${at} `.repeat(30_000)]),
    );
    const path = context({ ...files, Dockerfile: dockerfile('COPY files /files') });
    for (const version of ['one', 'two', 'three']) {
      writeFileSync(join(path, 'files/0'), version);
      await made.build(path);
    }
    return made;
  }

  test('du counts each inode once, a prune frees what it says', async () => {
    const made = await versions();
    const before = await layerDiskUsage(made.root);
    const used = await usage(made);
    expect(used.diskBytes).toBe(before);
    expect(used.bytes).toBeGreaterThan(1.5 * before);

    const limit = String(before - 1);
    const dry = await prune(made, '--keep-bytes', limit, '--dry-run');
    expect(await layerDiskUsage(made.root)).toBe(before);
    const report = await prune(made, '--keep-bytes', limit);
    expect(removedTexts(report)).toEqual(['COPY files /files']);
    expect(report.removed).toEqual(dry.removed);
    expect(report.cacheBytes).toBe(await layerDiskUsage(made.root));
    expect(dry.freedBytes).toBe(before - report.cacheBytes);
    // A layer has a directory of its own around its files.
    const directory = 4096;
    expect(Math.abs(report.freedBytes - dry.freedBytes)).toBeLessThanOrEqual(directory);
    expect((await usage(made)).diskBytes).toBe(report.cacheBytes);
  });

  test('the first version goes, the others keep its files and their size', async () => {
    const made = await versions();
    const { stdout } = await made.wiac(['cache', 'ls', '--format=json', '--filter=files']);
    const oldest = (JSON.parse(stdout) as { key: string }[]).at(-1);
    await made.wiac(['cache', 'rm', oldest?.key ?? '']);
    expect((await usage(made)).diskBytes).toBe(await layerDiskUsage(made.root));
    await prune(made, '--all');
    expect(await layerDiskUsage(made.root)).toBe(0);
    expect(readdirSync(join(made.root, 'l'))).toEqual([]);
  });
});

describe('what goes', () => {
  const LINES = dockerfile(
    'RUN echo cheap > /cheap',
    'RUN sleep 0.4; echo dear > /dear',
    'RUN echo top > /top',
  );

  test('by age: what was used within N days stays', async () => {
    const made = machine();
    const path = context({ Dockerfile: LINES });
    await made.build(path);
    await age(made, 10, (text) => text.includes('top'));
    expect(removedTexts(await prune(made, '--keep-days', '11'))).toEqual([]);
    expect(removedTexts(await prune(made, '--keep-days=9'))).toEqual(['RUN echo top > /top']);
    expect(ranSteps((await made.build(path)).events)).toEqual(['RUN echo top > /top']);
  });

  test('by filter: the entries that fit; a layer that others stand on stays', async () => {
    const made = machine();
    const path = context({ Dockerfile: LINES });
    await made.build(path);
    const report = await prune(made, '--filter', 'SLEEP');
    expect(report.removed).toMatchObject([{ text: 'RUN sleep 0.4; echo dear > /dear', bytes: 0 }]);
    expect((await usage(made)).layers).toBe(4);
    expect(removedTexts(await prune(made, '--all'))).toHaveLength(3);
    expect((await usage(made)).layers).toBe(0);
  });

  test('the least valuable first: of two the one that took less time', async () => {
    const made = machine();
    const steps = (command: string) => context({ Dockerfile: dockerfile(`RUN ${command}`) });
    await made.build(steps('sleep 0.8; head -c 300000 /dev/zero > /zero'));
    await made.build(steps('head -c 300000 /dev/zero > /zero'));
    const { diskBytes } = await usage(made);
    const report = await prune(made, '--keep-bytes', String(diskBytes - 1));
    expect(removedTexts(report)).toEqual(['RUN head -c 300000 /dev/zero > /zero']);
  });

  test('everything; named images keep what they need, names that moved on do not', async () => {
    const made = machine();
    const path = context({ Dockerfile: dockerfile('RUN echo one > /file') });
    await made.build(path, '-t', 'app');
    writeFileSync(join(path, 'Dockerfile'), dockerfile('RUN echo two > /file', 'WORKDIR /bin'));
    await made.build(path, '-t', 'app');
    await made.build(context({ Dockerfile: dockerfile('RUN echo other > /file') }));
    const report = await prune(made, '--all');
    expect(removedTexts(report)).toEqual(['', 'RUN echo one > /file', 'RUN echo other > /file']);
    expect((await usage(made)).images).toBe(1);
    expect((await made.wiac(['run', 'app', '/bin/cat', '/file'])).stdout).toBe('two\n');
    expect(ranSteps((await made.build(path)).events)).toEqual([]);
    expect(await usage(made)).toMatchObject({ reclaimableBytes: 0 });
    expect(await prune(made, '--all')).toMatchObject({ removed: [], freedBytes: 0, cacheBytes: 0 });
  });

  test('pulled layers and compressed ones, unless an image has a name', async () => {
    const made = machine();
    const layout = `oci-layout:${tempDir()}:base`;
    const reference = layout.replace('oci-layout:', 'oci-layout://');
    await made.build(context({ Dockerfile: dockerfile('RUN echo base > /base') }), '-t', 'base');
    const push = async () => (await made.wiac(['push', 'base', reference])).stdout;
    const digest = await push();
    expect((await usage(made)).blobBytes).toBeGreaterThan(500_000);
    expect((await prune(made, '--all')).removed.map(({ kind }) => kind)).toEqual(['blob', 'blob']);
    expect(readdirSync(join(made.root, 'blobs/sha256'))).toEqual([]);
    expect(await push()).toBe(digest);

    const other = machine();
    const path = context({ Dockerfile: `FROM ${reference}\nRUN cat /base\n` });
    await other.build(path);
    expect(removedTexts(await prune(other, '--keep-days=1'))).toEqual([]);
    expect((await prune(other, '--all')).removed.map(({ kind }) => kind).sort()).toEqual([
      'blob',
      'blob',
      'entry',
      'pulled',
      'pulled',
    ]);
    expect(await usage(other)).toMatchObject({ layers: 0, blobBytes: 0, diskBytes: 0 });
    await other.build(path);
    await other.wiac(['pull', reference, '-t', 'kept']);
    expect((await prune(other, '--all')).removed.map(({ kind }) => kind)).toEqual(['entry']);
    expect((await usage(other)).blobBytes).toBeGreaterThan(500_000);
  });

  test('compressed layers of a named image stay while a process uses them: it may be sending them', async () => {
    const made = machine();
    await made.build(context({ Dockerfile: dockerfile('RUN echo base > /base') }), '-t', 'base');
    await made.wiac(['push', 'base', `oci-layout://${tempDir()}:base`]);
    expect((await usage(made)).blobBytes).toBeGreaterThan(500_000);
    const store = await openStore(made.root);
    useLayers(
      store,
      [...getTables(store).layers.getKeys()].map((id) => id as LayerId),
    );
    expect((await prune(made, '--all')).removed).toEqual([]);
    expect((await prune(made, '--keep-bytes=0')).removed).toEqual([]);
    await closeStore(store);
  });

  test('cache mounts: with --all, by age, listed by du', async () => {
    const made = machine();
    const path = context({
      Dockerfile: dockerfile('RUN --mount=type=cache,target=/c head -c 100000 /dev/zero > /c/zero'),
    });
    await made.build(path);
    expect((await usage(made)).mounts).toMatchObject([{ id: '/c' }]);
    expect((await made.wiac(['cache', 'du'])).stdout).toMatch(/mount \/c +10\d kB, used \ds ago/);
    expect((await prune(made, '--keep-bytes=0')).mounts).toEqual([]);
    expect((await prune(made, '--keep-days=1')).mounts).toEqual([]);
    const report = await prune(made, '--all');
    expect(report.mounts).toMatchObject([{ id: '/c' }]);
    expect(report.freedBytes).toBeGreaterThan(100_000);
    expect(readdirSync(join(made.root, 'mounts'))).toEqual([]);
  });

  test('garbage of processes that died: layers, links, blobs and drafts nobody knows', async () => {
    const made = machine();
    await made.build(context({ Dockerfile: dockerfile() }), '-t', 'kept');
    const dead = 'aaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbb-1';
    writeTree(made.root, {
      'layers/aaaaaaaaaaaaaaaa/diff/file': 'x',
      'l/bbbbbbbbbbbbbbbb': '-> ../layers/bbbbbbbbbbbbbbbb/diff',
      [`blobs/sha256/${'0'.repeat(64)}`]: 'x',
      [`tmp/${dead}/file`]: 'x',
    });
    const report = await prune(made, '--keep-days=1000');
    expect(report.freedBytes).toBeGreaterThan(8192);
    for (const directory of ['layers', 'l'])
      expect(readdirSync(join(made.root, directory))).toHaveLength(1);
    for (const directory of ['blobs/sha256', 'tmp'])
      expect(readdirSync(join(made.root, directory))).toEqual([]);
    expect((await made.wiac(['run', 'kept', '/bin/true'])).exitCode).toBe(0);
  });
});

describe('other processes', () => {
  /** A step that says "ready" and waits until a file is in its cache mount. */
  const WAIT =
    'RUN --mount=type=cache,target=/c echo ready; until test -e /c/go; do sleep 0.05; done';

  const start = (made: Machine, ...args: string[]) =>
    execa(process.execPath, [WIAC, ...args], { env: { WIAC_ROOT: made.root }, reject: false });

  test('a build that runs loses nothing: layers it found, those it made, its cache mount', async () => {
    const made = machine();
    const lines = ['RUN echo found > /found'];
    await made.build(context({ Dockerfile: dockerfile(...lines) }));
    await made.build(context({ Dockerfile: dockerfile('RUN echo unused') }));
    const path = context({
      Dockerfile: dockerfile(...lines, 'RUN echo made > /made', WAIT, 'RUN cat /found /made'),
    });
    const child = start(made, 'build', '--progress=plain', path);
    await printed(child.stderr, '| ready');
    const report = await prune(made, '--all');
    const [mount = ''] = readdirSync(join(made.root, 'mounts'));
    // A step that lost its mount would wait for ever.
    if (mount === '') child.kill();
    else writeFileSync(join(made.root, 'mounts', mount, 'go'), '');
    const { exitCode, stderr, stdout } = await child;
    expect({ removed: removedTexts(report), mounts: report.mounts }).toEqual({
      removed: ['RUN echo unused'],
      mounts: [],
    });
    expect({ exitCode, found: stderr.includes('| found') }).toEqual({ exitCode: 0, found: true });
    for (const link of stdout.trim().split(':')) expect(existsSync(link)).toBe(true);
    expect(ranSteps((await made.build(path)).events)).toEqual([]);
    // It is over: nothing is in use any more.
    await prune(made, '--all');
    expect(await usage(made)).toMatchObject({ layers: 0, mounts: [] });
  });

  test.each([
    ['image', (_: string) => ['app']],
    ['lowerdir string', (lowerdirs: string) => [lowerdirs, join(tempDir(), 'upper')]],
  ])('a program that runs in an %s keeps its files', async (_, target) => {
    const made = machine();
    const path = context({ Dockerfile: dockerfile('RUN echo mine > /mine') });
    const { lowerdirs } = await made.build(path, '-t', 'app');
    const script = 'echo ready; read line; /bin/cat /mine';
    const child = start(made, 'run', ...target(lowerdirs), '/bin/sh', '-c', script);
    await printed(child.stdout, 'ready');
    await made.build(context({ Dockerfile: 'FROM scratch\nCOPY bin/sh /\n' }), '-t', 'app');
    const report = await prune(made, '--all');
    expect(report.removed.map(({ kind }) => kind)).not.toContain('entry');
    child.stdin.end('\n');
    expect((await child).stdout).toBe('ready\nmine');
    expect(removedTexts(await prune(made, '--all'))).toContain('RUN echo mine > /mine');
  });

  test.each([
    ['then a step has to run', true],
    ['everything else is cached', false],
  ])('pruned after the build found its layers, before it used them: %s', async (_, changes) => {
    const made = machine();
    let answers = 0;
    let during: (() => Promise<unknown>) | undefined;
    const server = createServer(async (_request, response) => {
      answers += 1;
      // The build has looked up what stands before ADD, and nothing says that it uses it.
      const action = during;
      during = undefined;
      await action?.();
      response.end(changes ? `content ${answers}` : 'content');
    });
    await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : '';
    try {
      const path = context({
        Dockerfile: dockerfile('RUN echo one > /one', `ADD http://127.0.0.1:${port}/file /file`),
      });
      await made.build(path);
      during = () => prune(made, '--all');
      const { events, lowerdirs } = await made.build(path);
      const warnings = events.filter(({ type }: BuildEvent) => type === 'warning');
      expect(warnings).toMatchObject([{ message: expect.stringContaining('starting over') }]);
      expect(ranSteps(events)).toContain('RUN echo one > /one');
      for (const link of lowerdirs.split(':')) expect(readdirSync(link)).not.toEqual([]);
      expect(events.filter(({ type }) => type === 'failed')).toEqual([]);
    } finally {
      server.close();
    }
  });

  test('cache export keeps the layers and blobs that it writes until it has ended', async () => {
    const made = machine();
    await made.build(context({ Dockerfile: dockerfile('RUN echo one > /one') }));
    const store = await openStore(made.root);
    let sizes: readonly (readonly [number, number])[] = [];
    const write = async ({ layers }: OutgoingCache) => {
      expect(removedTexts(await prune(made, '--all'))).toEqual([]);
      sizes = await Promise.all(
        layers.map(async ({ descriptor, open }) => {
          const blob = await buffer(await open());
          return [descriptor.size, blob.length] as const;
        }),
      );
      return undefined;
    };
    const { signal } = new AbortController();
    const exported = await exportStore(store, { compression: 'gzip', write }, signal);
    expect(exported).toEqual({ entries: 2, layers: 2 });
    expect(sizes.map(([size]) => size)).toEqual(sizes.map(([, length]) => length));
    await closeStore(store);
    expect(removedTexts(await prune(made, '--all'))).toHaveLength(4);
  });

  test('two prunes at once', async () => {
    const made = machine();
    await made.build(context({ Dockerfile: dockerfile('RUN echo one', 'RUN echo two') }));
    const reports = await Promise.all([prune(made, '--all'), prune(made, '--all')]);
    expect(reports.flatMap(removedTexts)).toHaveLength(3);
    expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
  });
});

test('the running total is right after a prune', async () => {
  const made = machine();
  await made.build(context({ Dockerfile: dockerfile('RUN echo one', 'RUN echo two') }));
  const { cacheBytes } = await prune(made, '--keep-bytes=2M');
  const store = await openStore(made.root);
  expect(getTables(store).totals.get('cacheBytes')).toBe(cacheBytes);
  await closeStore(store);
  expect(readFileSync(QUIET.WIAC_CONFIG, 'utf8')).toBe('{}\n');
});
