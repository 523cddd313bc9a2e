/** `wiac cache verify`: finds every kind of damage, and --repair leaves a store that builds. */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { createHash64 } from '../../src/fs/scan/hash64.js';
import { updateLayer } from '../../src/store/entries/entries.js';
import type { CacheIndex } from '../../src/store/index/index-db.js';
import { getTables } from '../../src/store/index/tables.js';
import type { ProcessId } from '../../src/store/pins/live-process.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { verifyStore } from '../../src/store/verify/verify-store.js';
import { describeLayers } from '../support/tree.js';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, printed, ranSteps, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

interface Report {
  readonly exitCode: number | undefined;
  readonly checked: Readonly<Record<string, number>>;
  /** `severity subject problem` */
  readonly findings: readonly string[];
  readonly repaired: boolean;
  readonly usedBy: readonly number[];
}

function lines(findings: readonly Readonly<Record<'severity' | 'subject' | 'problem', string>>[]) {
  return findings.map(({ severity, subject, problem }) => `${severity} ${subject} ${problem}`);
}

/** The command. */
async function verify({ wiac }: Machine, ...flags: string[]): Promise<Report> {
  const result = await wiac(['cache', 'verify', '--format', 'json', ...flags]);
  const report = JSON.parse(result.stdout);
  return { ...report, findings: lines(report.findings), exitCode: result.exitCode };
}

/** What the command finds, without a process for it. */
async function findings({ root }: Machine, deep = false): Promise<string[]> {
  const store = await openStore(root);
  try {
    return lines((await verifyStore(store, undefined, deep, await createHash64())).findings);
  } finally {
    await closeStore(store);
  }
}

const LINES = dockerfile('COPY files /files', 'RUN echo made > /made');

interface Built extends Machine {
  /** The build context. */
  readonly path: string;
  readonly lowerdirs: string;
  /** The merged files. */
  readonly files: readonly string[];
  /** Directory of the layer that an instruction made. */
  readonly layer: (text: string) => string;
}

/** A store with a named image, digests and blobs: made once, copied for each test. */
async function makeTemplate(): Promise<{ store: string; path: string; lowerdirs: string }> {
  const made = machine();
  const path = context({ Dockerfile: LINES, 'files/a': 'first', 'files/sub/b': 'second' });
  const { lowerdirs } = await made.build(path, '-t', 'image');
  await made.wiac(['push', 'image', `oci-layout://${join(tempDir(), 'layout')}:x`]);
  expect(await verify(made)).toMatchObject({
    exitCode: 0,
    findings: [],
    checked: { entries: 3, layers: 3, recorded: 0, images: 1, blobs: 0 },
  });
  const place = mkdtempSync(join(tmpdir(), 'wiac-verify-'));
  await execa('cp', ['-a', made.root, join(place, 'store')]);
  await execa('cp', ['-a', path, join(place, 'context')]);
  return {
    store: join(place, 'store'),
    path: join(place, 'context'),
    lowerdirs: lowerdirs.replaceAll(made.root, 'STORE'),
  };
}

let template: Awaited<ReturnType<typeof makeTemplate>>;
beforeAll(async () => {
  template = await makeTemplate();
});
afterAll(() => rmSync(join(template.store, '..'), { recursive: true }));

async function built(): Promise<Built> {
  const made = machine();
  await execa('cp', ['-a', template.store, made.root]);
  const lowerdirs = template.lowerdirs.replaceAll('STORE', made.root);
  const layers = new Map<string, string>();
  await withIndex(made.root, (index) => {
    for (const { value } of index.steps.getRange())
      layers.set(value.inputs.text, join(made.root, 'layers', String(value.layer)));
  });
  return {
    ...made,
    path: template.path,
    lowerdirs,
    files: await describeLayers(lowerdirs),
    layer: (text) => layers.get(text) ?? '',
  };
}

/** Changes the index as a defect of the software or the disk could. */
async function withIndex(root: string, action: (index: CacheIndex) => void): Promise<void> {
  const store = await openStore(root);
  action(getTables(store));
  await closeStore(store);
}

/** After a repair everything is right: nothing is found, and a build gives the same files. */
async function expectRepaired(made: Built, ran: readonly string[]): Promise<void> {
  expect(await verify(made, '--repair', '--deep')).toMatchObject({ exitCode: 0, repaired: true });
  expect(await findings(made, true)).toEqual([]);
  const { events, lowerdirs } = await made.build(made.path, '-t', 'image');
  expect(ranSteps(events)).toEqual(ran);
  expect(await describeLayers(lowerdirs)).toEqual(made.files);
  expect(await findings(made, true)).toEqual([]);
}

test('a store without damage: a sentence, exit code 0; the blobs are read with --deep', async () => {
  const made = await built();
  expect(await made.wiac(['cache', 'verify'])).toEqual({
    exitCode: 0,
    stdout: 'checked 3 entries, 3 layers, 0 blobs, 1 image\n',
    stderr: '',
  });
  expect((await verify(made, '--deep')).checked.blobs).toBe(3);
});

describe('layers', () => {
  const COPY = 'COPY files /files';
  test.each<[string, (layer: string) => void, string]>([
    [
      'a file has another content',
      (layer) => writeFileSync(join(layer, 'diff/files/a'), 'FIRST'),
      'changed files/a',
    ],
    [
      'a file is empty',
      (layer) => writeFileSync(join(layer, 'diff/files/sub/b'), ''),
      'changed files/sub/b',
    ],
    ['a file is gone', (layer) => rmSync(join(layer, 'diff/files/a')), 'removed files/a'],
    ['a file is new', (layer) => writeFileSync(join(layer, 'diff/x'), ''), 'added x'],
    [
      'a mode is another',
      (layer) => chmodSync(join(layer, 'diff/files/a'), 0o777),
      'changed files/a',
    ],
    [
      'the mode of its root is another',
      (layer) => chmodSync(join(layer, 'diff'), 0o700),
      'not those of its digest',
    ],
    [
      'its directory is missing',
      (layer) => rmSync(layer, { recursive: true }),
      'directory is missing',
    ],
  ])('%s', async (_, damage, problem) => {
    const made = await built();
    damage(made.layer(COPY));
    expect(await findings(made)).toEqual([expect.stringMatching(`^damage layer .*${problem}`)]);
    await expectRepaired(made, [COPY, 'RUN echo made > /made']);
  });

  test('one without a digest is compared with its size, and has a digest afterwards', async () => {
    const made = machine();
    const path = context({ Dockerfile: dockerfile('RUN echo made > /made') });
    const { lowerdirs } = await made.build(path);
    // As layers of earlier versions are, and those that were pulled.
    const forget = () =>
      withIndex(made.root, (index) => {
        for (const id of [...index.layers.getKeys()])
          updateLayer(index, id, { digest: undefined, tree: undefined });
      });
    await forget();
    expect(await verify(made)).toMatchObject({ exitCode: 0, checked: { recorded: 2 } });
    expect(await verify(made)).toMatchObject({ exitCode: 0, checked: { recorded: 0 } });
    await forget();
    writeFileSync(join(lowerdirs.split(':')[0] ?? '', 'made'), '');
    expect(await findings(made)).toEqual([
      'damage layer its files have 0 bytes, 5 when it was made',
    ]);
  });

  test('its link is gone, or leads elsewhere', async () => {
    const made = await built();
    const [first = '', second = ''] = made.lowerdirs.split(':');
    rmSync(first);
    rmSync(second);
    symlinkSync('/etc', second);
    expect(await findings(made)).toEqual(Array(2).fill('damage layer its link in l/ is missing'));
    await expectRepaired(made, []);
  });
});

describe('blobs', () => {
  const blobs = ({ root }: Built) => join(root, 'blobs/sha256');
  const first = (made: Built) => join(blobs(made), readdirSync(blobs(made))[0] ?? '');

  test('a missing one and a short one are found without --deep', async () => {
    const made = await built();
    const [a = '', b = ''] = readdirSync(blobs(made));
    rmSync(join(blobs(made), a));
    writeFileSync(join(blobs(made), b), '');
    expect(await findings(made)).toEqual([
      expect.stringContaining('damage blob the file'),
      expect.stringContaining('damage blob the file'),
    ]);
    await expectRepaired(made, []);
  });

  test('one that is cut off is made again by whoever sends it', async () => {
    const made = await built();
    truncateSync(first(made), 10);
    const target = `oci-layout://${join(tempDir(), 'layout')}:x`;
    expect(await made.wiac(['push', 'image', target])).toMatchObject({ exitCode: 0 });
    expect(await findings(made, true)).toEqual([]);
  });

  test('one with another content is found with --deep', async () => {
    const made = await built();
    const { size } = statSync(first(made));
    writeFileSync(first(made), Buffer.alloc(size));
    expect(await findings(made)).toEqual([]);
    expect(await findings(made, true)).toEqual([
      expect.stringContaining('damage blob its content has another digest'),
    ]);
    await expectRepaired(made, []);
    // The image can still be pushed: its blob is made anew.
    const target = `oci-layout://${join(tempDir(), 'layout')}:x`;
    expect((await made.wiac(['push', 'image', target])).exitCode).toBe(0);
  });

  test('one that is right, but is of another layer', async () => {
    const made = await built();
    await withIndex(made.root, (index) => {
      const [a, b] = [...index.layers.getRange()].map(({ value }) => value);
      if (a && b) index.layers.putSync(a.id, { ...a, ...(b.blob ? { blob: b.blob } : {}) });
    });
    expect(await findings(made, true)).toContainEqual(
      expect.stringContaining('damage blob its files are not those of its layer'),
    );
  });
});

describe('the index', () => {
  test.each<[string, (index: CacheIndex) => void, string[], string[]]>([
    [
      'a layer has no record',
      (index) => {
        const last = [...index.steps.getRange()].find(({ value }) => value.inputs.kind === 'run');
        if (last?.value.layer) index.layers.removeSync(last.value.layer);
      },
      ['damage entry its layer', 'damage image its layers', 'garbage file belongs to no layer'],
      ['RUN echo made > /made'],
    ],
    [
      'trees are damaged',
      (index) => {
        for (const key of [...index.trees.getKeys()]) index.trees.putSync(key, '[]');
      },
      ['damage entry the list of files', 'damage row its text has another digest'],
      // The entries of COPY are gone; that of the step above them is found without.
      [],
    ],
    [
      'look-up rows lead nowhere',
      (index) => {
        const nowhere = 'f'.repeat(64) as never;
        index.contents.putSync(nowhere, nowhere);
        index.operations.putSync(nowhere, [nowhere]);
        index.usage.putSync(nowhere, { lastUsed: 1, hits: 1 });
        index.diffIds.putSync(`sha256:${nowhere}`, nowhere);
        index.leases.take(nowhere, 'aaaaaaaaaaaaaaaa-1' as ProcessId);
      },
      [...Array(4).fill('garbage row'), 'garbage file void: process 1 is gone'],
      [],
    ],
    [
      'a name leads to no image',
      (index) => index.names.putSync('other:latest', 'sha256:none'),
      ['damage row leads to no image'],
      [],
    ],
  ])('%s', async (_, damage, expected, ran) => {
    const made = await built();
    await withIndex(made.root, damage);
    const found = await findings(made);
    for (const text of expected)
      expect(found).toContainEqual(expect.stringMatching(new RegExp(`^${text}`)));
    await expectRepaired(made, ran);
  });
});

describe('garbage', () => {
  test('is shown, is no damage, and goes with --repair', async () => {
    const made = await built();
    mkdirSync(join(made.root, 'layers/aaaaaaaaaaaaaaaa/diff'), { recursive: true });
    symlinkSync('nowhere', join(made.root, 'l/aaaaaaaaaaaaaaaa'));
    mkdirSync(join(made.root, 'tmp/bbbb.bbbbbbbbbbbbbbbb-1'));
    writeFileSync(join(made.root, 'tmp/what is this'), '');
    writeFileSync(join(made.root, 'blobs/sha256/cccc'), '');
    const report = await verify(made);
    expect(report).toMatchObject({ exitCode: 0, repaired: false });
    expect(report.findings).toHaveLength(5);
    await expectRepaired(made, []);
    expect(existsSync(join(made.root, 'layers/aaaaaaaaaaaaaaaa'))).toBe(false);
  });
});

describe('some entries only', () => {
  test('the damage of others is not looked at', async () => {
    const made = await built();
    appendFileSync(join(made.layer('RUN echo made > /made'), 'diff/made'), 'x');
    const getKey = async (text: string) =>
      JSON.parse(
        (await made.wiac(['cache', 'ls', '--format', 'json', '--filter', text])).stdout,
      )[0].key.slice(0, 16);
    expect(await verify(made, await getKey('COPY files'))).toMatchObject({
      exitCode: 0,
      checked: { entries: 1, layers: 1 },
    });
    expect(await verify(made, await getKey('RUN echo made'))).toMatchObject({ exitCode: 7 });
    expect((await made.wiac(['cache', 'verify', 'ffffffff'])).exitCode).toBe(10);
  });
});

test('while a build runs: damage is reported, nothing is removed, the build is not disturbed', async () => {
  const made = await built();
  const text = LINES.replace('echo made', 'echo ready; head -n 1 /c/fifo');
  const waiting = 'test -e /c/fifo || mkfifo /c/fifo;';
  const root = context({
    Dockerfile: text.replace('RUN echo', `RUN --mount=type=cache,target=/c ${waiting} echo`),
    'files/a': 'first',
    'files/sub/b': 'second',
    'bin/mkfifo': '-> busybox',
  });
  const build = execa(process.execPath, [WIAC, 'build', '--progress=plain', root], {
    env: { WIAC_ROOT: made.root },
    reject: false,
  });
  await printed(build.stderr, '| ready');
  const layer = made.layer('COPY files /files');
  writeFileSync(join(layer, 'diff/x'), '');
  const report = await verify(made, '--repair');
  expect(report).toMatchObject({ exitCode: 7, repaired: false, usedBy: [build.pid] });
  expect(existsSync(layer)).toBe(true);
  const mounts = join(made.root, 'mounts');
  writeFileSync(join(mounts, readdirSync(mounts)[0] ?? '', 'fifo'), 'go\n');
  expect((await build).exitCode).toBe(0);
  expect(await verify(made, '--repair')).toMatchObject({ exitCode: 0, repaired: true });
});

test('a layer that was removed by hand is named by the build that needs it, and made again', async () => {
  const { root, wiac, build } = machine();
  const directory = context({ Dockerfile: dockerfile('RUN echo made > /made') });
  const { lowerdirs } = await build(directory);
  const [top = ''] = lowerdirs.split(':');
  const layer = realpathSync(top);
  rmSync(layer, { recursive: true });
  const gone = await wiac(['build', '-q', directory]);
  expect(gone).toMatchObject({ exitCode: 7, stdout: '' });
  expect(gone.stderr).toContain(`${layer}, which this build needs, is gone`);
  expect(gone.stderr).toContain('wiac cache verify --repair');
  expect((await wiac(['cache', 'verify', '--repair'])).exitCode).toBe(0);
  const again = await build(directory);
  expect(ranSteps(again.events)).toEqual(['RUN echo made > /made']);
  expect(existsSync(join(root, 'l', basename(again.lowerdirs.split(':')[0] ?? '')))).toBe(true);
});
