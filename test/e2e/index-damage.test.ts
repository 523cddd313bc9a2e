/**
 * The index is expendable: whatever happens to it, the next command makes it again, and nothing that
 * was built has to be built again. Each case damages a store with entries, an image and a cache
 * mount.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { LayerDigest, TreeDigest } from '../../src/keys/digest.js';
import { auditIndex, glanceAtIndex } from '../../src/store/index/index-audit.js';
import { openEnvironment } from '../../src/store/index/index-db.js';
import { getTables } from '../../src/store/index/tables.js';
import { layerOfDiffId } from '../../src/store/layers/remote-layers.js';
import { suspectIndex } from '../../src/store/recovery/index-damage.js';
import { closeStore, openStore } from '../../src/store/store.js';
import type { WarmCommand } from '../support/warm-command.js';
import { startWarm } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import {
  buildWith,
  context,
  dockerfile,
  machine,
  ranSteps,
  tempDir,
  WIAC,
} from '../support/wiac.js';

const PAGE = 4096;

/** A store with an image, and the context that it was built from: each test has copies. */
let kept: string;
/** Looks whether all is well again. What meets the damage first is a command of its own. */
let warm: WarmCommand;

beforeAll(async () => {
  warm = startWarm();
  kept = mkdtempSync(join(tmpdir(), 'wiac-damage-'));
  const made = machine();
  const path = context({
    'src/a': 'a\n',
    Dockerfile: dockerfile(
      'WORKDIR /work',
      'COPY src /src',
      'RUN --mount=type=cache,target=/c echo kept > /c/kept && cat /src/a > /made',
      'RUN true',
      'CMD ["/bin/cat", "/made"]',
    ),
  });
  await made.build(path, '-t', 'image');
  // Other transactions, so that not all pages belong to the last one.
  await made.build(path, '-t', 'other');
  execFileSync('cp', ['-a', made.root, join(kept, 'store')]);
  execFileSync('cp', ['-a', path, join(kept, 'context')]);
});

afterAll(async () => {
  await warm.stop();
  rmSync(kept, { recursive: true });
});

interface Built extends Machine {
  readonly path: string;
  readonly index: string;
}

function built(): Built {
  const made = machine();
  const path = join(tempDir(), 'context');
  execFileSync('cp', ['-a', join(kept, 'store'), made.root]);
  execFileSync('cp', ['-a', join(kept, 'context'), path]);
  return { ...made, path, index: join(made.root, 'index/data.mdb') };
}

/** Nothing runs again, the image has its names and runs, the store is clean. */
async function expectIntact(made: Built): Promise<void> {
  const wiac = (words: readonly string[]) => warm.wiac(words, { WIAC_ROOT: made.root });
  const { events } = await buildWith(wiac)(made.path);
  expect(ranSteps(events)).toEqual([]);
  const images = await wiac(['images', '--format', 'json']);
  expect(images.stdout).toContain('image:latest');
  expect(images.stdout).toContain('other:latest');
  const run = await wiac(['run', 'image']);
  expect(run.stdout).toBe('a\n');
  const verified = await wiac(['cache', 'verify']);
  expect(verified).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^checked /) });
  expect(auditIndex(made.index)).toBe(undefined);
}

function zero(file: string, page: number): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.alloc(PAGE), 0, PAGE, page * PAGE);
  closeSync(descriptor);
}

describe('noticed at the next start', () => {
  test.each<[string, (index: string) => void]>([
    ['the file is all zeros', (index) => writeFileSync(index, Buffer.alloc(statSync(index).size))],
    ['the file is empty', (index) => truncateSync(index, 0)],
    ['the file is cut in half', (index) => truncateSync(index, statSync(index).size / 2)],
    ['the file is cut after one page', (index) => truncateSync(index, PAGE)],
    ['the first page is zero', (index) => zero(index, 0)],
    ['the second page is zero', (index) => zero(index, 1)],
    ['the file is text', (index) => writeFileSync(index, 'x'.repeat(100_000))],
    ['the file is gone', (index) => rmSync(index)],
    ['the directory is gone', (index) => rmSync(join(index, '..'), { recursive: true })],
  ])('%s', async (_, damage) => {
    const made = built();
    damage(made.index);
    const { stderr } = await made.wiac(['cache', 'ls']);
    expect(stderr).toMatch(/it was made again from what lies beside it \(5 entries/);
    expect((await made.wiac(['cache', 'ls'])).stderr).toBe('');
    await expectIntact(made);
  });
});

test('any page is zero: each command works, says so, or finds nothing wrong', async () => {
  const made = built();
  const { size } = statSync(made.index);
  for (let page = 2; page < size / PAGE; page++) {
    zero(made.index, page);
    const problem = glanceAtIndex(made.index) ?? auditIndex(made.index);
    const command = page % 2 === 0 ? ['build', made.path] : ['cache', 'prune', '--keep-bytes=1G'];
    const { exitCode, stderr } = await made.wiac(command);
    expect({ page, stderr }).toEqual({
      page,
      stderr: expect.not.stringMatching(/internal error: /),
    });
    // lmdb may take the process down; the next one has to cope.
    if (exitCode !== 0) expect((await made.wiac(command)).exitCode).toBe(0);
    if (problem !== undefined) suspectIndex({ live: join(made.root, 'live') } as never);
    await expectIntact(made);
  }
});

describe('a damaged index and the commands that repair', () => {
  test.each([
    'cache verify --repair',
    'cache verify',
    'cache prune --all',
    'cache du',
    'images',
    'rmi other',
  ])('%s', async (command) => {
    const made = built();
    for (let page = 2; page < statSync(made.index).size / PAGE; page++) zero(made.index, page);
    const args = command.split(' ');
    let result = await made.wiac(args);
    if (result.exitCode !== 0) result = await made.wiac(args);
    expect(result.exitCode).toBe(0);
    expect((await made.wiac(['run', 'image'])).stdout).toBe('a\n');
  });
});

test('a process that lmdb aborts leaves a sign, and the next one looks at the whole index', async () => {
  const made = built();
  const { path } = made;
  writeFileSync(join(path, 'Dockerfile'), dockerfile('RUN sleep 60'));
  const child = spawn(process.execPath, [WIAC, 'build', path], {
    env: { ...process.env, WIAC_ROOT: made.root },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const data of child.stderr) if (String(data).includes('RUN sleep')) break;
  zero(made.index, 7);
  child.kill('SIGABRT');
  await once(child, 'exit');
  const before = auditIndex(made.index);
  const { stderr } = await made.wiac(['cache', 'ls']);
  if (before === undefined) expect(stderr).toBe('');
  else expect(stderr).toMatch(/it was made again/);
  expect(auditIndex(made.index)).toBe(undefined);
  expect((await made.wiac(['run', 'image'])).stdout).toBe('a\n');
});

test('two processes make it again at once, and one that is at work goes on', async () => {
  const made = built();
  const { path } = made;
  writeFileSync(
    join(path, 'Dockerfile'),
    dockerfile('RUN echo one > /one', 'RUN sleep 3', 'RUN echo two > /two'),
  );
  const atWork = made.build(path);
  await new Promise((resume) => setTimeout(resume, 1200));
  rmSync(join(made.root, 'index'), { recursive: true });
  const others = await Promise.all([made.wiac(['images']), made.wiac(['images'])]);
  for (const { exitCode, stdout } of others)
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('image') });
  expect(others.filter(({ stderr }) => /made again/.test(stderr))).toHaveLength(1);
  await atWork;
  expect(ranSteps((await made.build(path)).events)).toEqual([]);
  expect((await made.wiac(['cache', 'verify'])).exitCode).toBe(0);
});

/** What the index says of the content of files: those of layers, of layers that are elsewhere, and of contexts. */
async function contentsIn(root: string): Promise<unknown[]> {
  const store = await openStore(root);
  const { layers, remoteLayers, directories, entries } = getTables(store);
  const known = [...layers.getRange()].map(({ value }) => value);
  const said = [
    ...known.flatMap(({ digest, tree, opaque, withoutXattrs }) => [
      digest,
      tree,
      opaque,
      withoutXattrs,
    ]),
    ...[...remoteLayers.getRange()].map(({ value }) => value.digest),
    ...[...directories.getRange(), ...entries.getRange()].map(({ key }) => key),
  ].filter((fact) => fact !== undefined);
  await closeStore(store);
  expect(known.length).toBeGreaterThan(0);
  return said;
}

test('a store of version 2 is brought up to date, and nothing is built again', async () => {
  const made = built();
  // Gives each layer its digest.
  expect((await made.wiac(['cache', 'verify'])).exitCode).toBe(0);
  writeFileSync(join(made.root, 'format-version'), '2\n');
  rmSync(join(made.root, 'records'), { recursive: true });
  rmSync(join(made.root, 'live'), { recursive: true });
  for (const id of readdirSync(join(made.root, 'layers')))
    rmSync(join(made.root, 'layers', id, 'record.json'));
  // Version 2 computed them without the names of one file.
  expect(await contentsIn(made.root)).toEqual([]);
  rmSync(join(made.root, 'index'), { recursive: true });
  await expectIntact(made);
});

test('of the first stores of version 2 all entries are listed, and images have a platform', async () => {
  const made = built();
  const listed = async () => (await made.wiac(['cache', 'ls', '--format=json'])).stdout;
  const before = await listed();
  const store = await openStore(made.root);
  const { images, related, timeline } = getTables(store);
  timeline.clearSync();
  related.clearSync();
  for (const { key, value } of [...images.getRange()]) {
    const { platform: _, ...rest } = value;
    images.putSync(key, rest as typeof value);
  }
  await closeStore(store);
  expect(await listed()).toBe('[]\n');
  writeFileSync(join(made.root, 'format-version'), '2\n');
  expect(await listed()).toBe(before);
  expect((await made.wiac(['run', 'image'])).stdout).toBe('a\n');
  expect((await made.wiac(['images', '-q'])).stdout).toMatch(/^[0-9a-f]{12}\n$/);
});

test('a store of version 3 is brought up to date, and nothing is built again', async () => {
  const made = built();
  const store = await openStore(made.root);
  const [entry = ''] = readdirSync(join(made.root, 'records/entries'));
  await closeStore(store);
  // A process that was killed: it was writing a record, making a layer, and held a lease.
  const dead = 'a'.repeat(16);
  const name = entry.replace('.json', '');
  writeFileSync(join(made.root, `tmp/record.steps.${name}.${dead}-1`), '');
  writeFileSync(join(made.root, 'records/entries', entry), 'half of a rec');
  for (const path of [`tmp/${'b'.repeat(16)}.${dead}-1`, `layers/${'b'.repeat(16)}/diff`])
    mkdirSync(join(made.root, path), { recursive: true });
  const index = openEnvironment(join(made.root, 'index'));
  await index.openDB({ name: 'leases' }).put(name, { process: `${dead}-1` });
  await index.close();
  rmSync(join(made.root, 'leases'), { recursive: true });
  writeFileSync(join(made.root, 'format-version'), '3\n');
  expect((await made.build(made.path)).events.filter(({ type }) => type === 'waiting')).toEqual([]);
  expect(readFileSync(join(made.root, 'format-version'), 'utf8')).toBe('8\n');
  expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
  expect(existsSync(join(made.root, 'layers', 'b'.repeat(16)))).toBe(false);
  rmSync(join(made.root, 'index'), { recursive: true });
  await expectIntact(made);
});

test.each(['6', '7'])(
  'a store of version %s is brought up to date, with what it had not put on disk yet, and without digests of layers',
  async (version) => {
    const made = built();
    expect((await made.wiac(['cache', 'verify'])).exitCode).toBe(0);
    const store = await openStore(made.root);
    const { layers, unsynced, self } = getTables(store);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const [id = ''] = [...layers.getKeys()];
    unsynced.putSync(`layer:${id}`, boot);
    expect(self.others()).toEqual([]);
    await closeStore(store);
    writeFileSync(join(made.root, 'format-version'), `${version}\n`);
    const { exitCode, stderr } = await made.wiac(['cache', 'ls']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(readFileSync(join(made.root, 'format-version'), 'utf8')).toBe('8\n');
    // Nor what the records say, of which the index is made again.
    rmSync(join(made.root, 'index'), { recursive: true });
    const upgraded = await openStore(made.root);
    const kept = [...getTables(upgraded).layers.getRange()].map(({ value }) => value.digest);
    await closeStore(upgraded);
    expect(kept.filter((digest) => digest !== undefined)).toEqual([]);
    await expectIntact(made);
  },
);

// Two names, or targets of links, that are not UTF-8 were one; version 5 kept what a version before it had said.
test.each(['4', '5'])(
  'what version %s said of the content of files is not used',
  async (version) => {
    const made = built();
    expect((await made.wiac(['cache', 'verify'])).exitCode).toBe(0);
    const store = await openStore(made.root);
    const digest = 'd'.repeat(64) as LayerDigest;
    layerOfDiffId(store, `sha256:${digest}`, { digest, key: undefined });
    const { directories, entries } = getTables(store);
    directories.putSync('directory', {
      all: 'a',
      clean: true,
      tree: digest as string as TreeDigest,
    });
    entries.putSync('entry', {});
    await closeStore(store);
    const said = await contentsIn(made.root);
    expect(said).toEqual(expect.arrayContaining([[], digest, 'directory', 'entry']));
    writeFileSync(join(made.root, 'format-version'), `${version}\n`);
    expect(await contentsIn(made.root)).toEqual([]);
    expect(readFileSync(join(made.root, 'format-version'), 'utf8')).toBe('8\n');
    // Nor what the records say, of which the index is made again.
    rmSync(join(made.root, 'index'), { recursive: true });
    expect(await contentsIn(made.root)).toEqual([]);
    await expectIntact(made);
  },
);

test('an audit finds one zeroed page wherever lmdb would', async () => {
  const made = built();
  const { size } = statSync(made.index);
  const copy = join(made.root, 'copy.mdb');
  let found = 0;
  for (let page = 2; page < size / PAGE; page++) {
    execFileSync('cp', [made.index, copy]);
    zero(copy, page);
    if (auditIndex(copy) !== undefined) found += 1;
  }
  rmSync(copy);
  // The rest are free, or the middle of a long value.
  expect(found).toBeGreaterThan(15);
});
