/** Options of a build that change the image and no step: --env, --squash, --timestamp and so on. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { buildahStorage } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

interface Config {
  readonly created: string;
  readonly config: { readonly Env?: string[]; readonly Labels?: Record<string, string> };
  readonly history?: { readonly created_by: string; readonly empty_layer?: boolean }[];
}

/** An OCI layout with one image, whoever wrote it. */
function readLayout(layout: string) {
  const blob = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'));
  const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
  const [{ digest }] = json(join(layout, 'index.json')).manifests;
  const manifest = json(blob(digest));
  const layers: string[] = manifest.layers.map((layer: { digest: string }) => blob(layer.digest));
  const configDigest: string = manifest.config.digest;
  return { config: json(blob(configDigest)) as Config, layers, configDigest };
}

/** Builds into a layout. */
async function built({ wiac }: Pick<Machine, 'wiac'>, root: string, ...flags: string[]) {
  const layout = join(tempDir(), 'layout');
  const output = `type=oci,tar=false,dest=${layout}`;
  const { exitCode, stderr } = await wiac(['build', '-o', output, ...flags, root]);
  if (exitCode !== 0) throw new Error(stderr);
  return { ...readLayout(layout), layout };
}

/** The same with buildah. */
async function buildahBuilt(root: string, ...flags: string[]) {
  const storage = buildahStorage('vfs');
  await execa('buildah', [...storage, 'build', '--isolation=chroot', '-t', 'x', ...flags, root]);
  const layout = join(tempDir(), 'layout');
  await execa('buildah', [...storage, 'push', 'x', `oci:${layout}:x`]);
  return readLayout(layout);
}

/** Members of a layer with their times, whiteouts among them. */
async function members(layer: string): Promise<Map<string, string>> {
  const flags = ['--utc', '--full-time', '-tvzf', layer];
  const { stdout } = await execa('tar', flags, { env: { LC_ALL: 'C' } });
  const lines = stdout.split('\n').map((line) => line.split(/\s+/));
  return new Map(lines.map(([, , , day, time, name = '']) => [name, `${day} ${time}`]));
}

describe('--env, --unsetenv, --unsetlabel', () => {
  const lines = ['ENV A=file B=file', 'LABEL one=1 two=2', 'RUN echo "A=$A C=$C" > /seen'];
  const flags = ['--env=A=cli', '--env', 'C=cli', '--unsetenv=B'];

  test('the config is that of buildah, and no step runs for it', async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile(...lines) });
    await made.build(root);
    const { events } = await made.build(root, ...flags);
    expect(ranSteps(events)).toEqual([]);
    const own = await built(made, root, ...flags, '--label=three=3');
    const theirs = await buildahBuilt(root, ...flags, '--label=three=3', '--identity-label=false');
    expect(own.config.config.Env).toEqual(theirs.config.config.Env);
    expect(own.config.config.Env).toContain('A=cli');
    expect(own.config.config.Labels).toEqual(theirs.config.config.Labels);
  });

  test('labels of the base image and of the file, and a name of the environment', async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('LABEL one=1 two=2') });
    await made.build(root, '-t', 'base');
    const user = context({ Dockerfile: 'FROM base\nLABEL three=3\n' });
    const unset = ['--unsetlabel=one', '--unsetlabel=three', '--unsetlabel=nosuch'];
    const wiac: Machine['wiac'] = (args) => made.wiac(args, { env: { FROM_SHELL: 'yes' } });
    const { config } = await built({ wiac }, user, ...unset, '--env=FROM_SHELL', '--env=UNSET');
    expect(config.config.Labels).toEqual({ two: '2' });
    expect(config.config.Env).toEqual([expect.stringMatching(/^PATH=/), 'FROM_SHELL=yes']);
  });
});

describe('--squash', () => {
  const BASE = dockerfile(
    'RUN mkdir /dir /kept /gone && touch /dir/old /kept/old /gone/old /file && ln /file /link',
    'RUN echo 2 > /second',
  );
  const USER = [
    'FROM base',
    'ENV A=1',
    'COPY added /added',
    'RUN rm /file /kept/old && rm -r /gone && rm -r /dir && mkdir /dir && touch /dir/new',
    'RUN touch /tmp-file && ln /added /added-too && mkdir -m 1777 /sticky && chown 5:6 /sticky',
    'RUN rm /tmp-file && touch /kept/new && rm /second && mkdir /second && touch /second/x',
    'CMD ["/bin/sh"]',
    '',
  ].join('\n');

  async function prepared() {
    const made = machine();
    await made.build(context({ Dockerfile: BASE }), '-t', 'base');
    return { made, root: context({ Dockerfile: USER, added: 'text' }) };
  }

  /** Type, mode, owner, links and time of every file, by tar(1). */
  async function getTree({ wiac }: Machine, root: string, ...flags: string[]): Promise<string> {
    const file = join(tempDir(), 'tree.tar');
    await wiac(['build', '-o', `type=tar,dest=${file}`, ...flags, root]);
    const { stdout } = await execa('tar', ['--numeric-owner', '--full-time', '-tvf', file]);
    return stdout;
  }

  test.each([
    ['--squash', 4],
    ['--squash-all', 1],
  ])('%s: %i layers, with the files of all', async (flag, count) => {
    const { made, root } = await prepared();
    const whole = await getTree(made, root);
    const { config, layers, layout } = await built(made, root, flag);
    expect(layers).toHaveLength(count);
    expect(await getTree(made, root, flag)).toBe(whole);
    // What other programs make of the layers' whiteouts.
    const bundle = join(tempDir(), 'bundle');
    await execa('skopeo', ['copy', `oci:${layout}`, `oci:${layout}:x`]);
    await execa('umoci', ['unpack', '--image', `${layout}:x`, bundle]);
    const find = ['-mindepth', '1', '-printf', '%P %y %m %U:%G %n\n'];
    const unpacked = await execa('find', [join(bundle, 'rootfs'), ...find]);
    const directory = join(tempDir(), 'local');
    await made.wiac(['build', '-o', directory, root]);
    const local = await execa('find', [directory, ...find]);
    const sorted = (text: string) =>
      text
        .split('\n')
        .map((line) => line.replace(/ \d+:\d+ /, ' '))
        .sort();
    expect(sorted(unpacked.stdout)).toEqual(sorted(local.stdout));
    const entries = config.history ?? [];
    expect(entries.filter((entry) => !entry.empty_layer)).toHaveLength(count);
    expect(entries.map(({ created_by }) => created_by).join('\n')).toContain('COPY added /added');
  });

  test('the layer says what is gone of the base image, and nothing else', async () => {
    const { made, root } = await prepared();
    const { layers } = await built(made, root, '--squash');
    const names = [...(await members(layers.at(-1) ?? '')).keys()];
    expect(names.filter((name) => name.includes('.wh.')).sort()).toEqual([
      '.wh.file',
      '.wh.gone',
      'dir/.wh..wh..opq',
      'kept/.wh.old',
    ]);
    const all = await built(made, root, '--squash-all');
    const allNames = [...(await members(all.layers[0] ?? '')).keys()];
    expect(allNames.filter((name) => name.includes('.wh.'))).toEqual([]);
  });

  test('is a step like others: cached, found by its content, verified', async () => {
    const { made, root } = await prepared();
    const first = await made.build(root, '--squash', '-t', 'squashed');
    expect(ranSteps(first.events)).toContain('squash the new layers');
    const again = await made.build(root, '--squash');
    expect(ranSteps(again.events)).toEqual([]);
    expect(again.lowerdirs).toBe(first.lowerdirs);
    // The step before runs again and makes the same.
    writeFileSync(join(root, 'Dockerfile'), USER.replace('RUN rm /tmp-file', 'RUN  rm /tmp-file'));
    const { events } = await made.build(root, '--squash');
    expect(ranSteps(events)).not.toContain('squash the new layers');
    expect((await made.wiac(['run', 'squashed', '/bin/ls', '/kept'])).stdout).toBe('new\n');
    expect((await made.wiac(['cache', 'verify', '--deep'])).exitCode).toBe(0);
  });

  test('of nothing new there is no layer; both at once are refused', async () => {
    const { made } = await prepared();
    const root = context({ Dockerfile: 'FROM base\nENV A=1\n' });
    expect((await built(made, root, '--squash')).layers).toHaveLength(3);
    const both = await made.wiac(['build', '--squash', '--squash-all', root]);
    expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('exclude') });
  });

  test('another machine takes it from a shared cache', async () => {
    const { made, root } = await prepared();
    const cache = join(tempDir(), 'cache');
    await made.build(root, '--squash', '--cache-to', `type=local,dest=${cache},mode=max`);
    const other = machine();
    await other.build(context({ Dockerfile: BASE }), '-t', 'base');
    const { events } = await other.build(
      root,
      '--squash',
      '--cache-from',
      `type=local,src=${cache}`,
    );
    expect(ranSteps(events)).toEqual([]);
  });
});

test('--omit-history', async () => {
  const made = machine();
  const root = context({ Dockerfile: dockerfile('RUN echo 1 > /one') });
  const { config, layers, layout } = await built(made, root, '--omit-history', '-t', 'quiet');
  expect([config.history, layers.length]).toEqual([undefined, 2]);
  await execa('skopeo', ['copy', `oci:${layout}`, `oci:${join(tempDir(), 'copy')}`]);
  const copy = join(tempDir(), 'copy');
  await made.wiac(['push', 'quiet', `oci-layout://${copy}:x`]);
  expect(readLayout(copy).config.history).toBeUndefined();
  expect((await buildahBuilt(root, '--omit-history', '--layers')).config.history).toBeUndefined();
});

describe('times', () => {
  /** A context with files of 1999 and of 2040. */
  async function oldAndNew(): Promise<string> {
    const root = context({ Dockerfile: dockerfile('COPY old new /', 'RUN touch /now') });
    for (const [name, year] of [
      ['old', 1999],
      ['new', 2040],
    ] as const) {
      writeFileSync(join(root, name), name);
      await execa('touch', ['-d', `${year}-01-01 00:00:00Z`, join(root, name)]);
    }
    return root;
  }

  /** Times that files of an image have. */
  async function getTimes(layers: readonly string[]): Promise<Set<string>> {
    const all = await Promise.all(layers.map(members));
    return new Set(all.flatMap((layer) => [...layer.values()]));
  }

  test('--timestamp is the time of everything, as with buildah', async () => {
    const root = await oldAndNew();
    const flags = ['--timestamp=1700000000', '--layers'];
    const own = await built(machine(), root, ...flags);
    const theirs = await buildahBuilt(root, ...flags);
    expect(own.config.created).toBe(theirs.config.created);
    expect(own.config.created).toBe('2023-11-14T22:13:20Z');
    expect(await getTimes(own.layers)).toEqual(new Set(['2023-11-14 22:13:20']));
    expect(await getTimes(theirs.layers)).toEqual(new Set(['2023-11-14 22:13:20']));
  });

  test('both stay with an image that is pushed later', async () => {
    const made = machine();
    const root = await oldAndNew();
    const pushed = async (...flags: string[]) => {
      await made.build(root, ...flags, '-t', 'timed');
      const { stdout: id } = await made.wiac(['images', '-q', '--no-trunc', 'timed']);
      const layout = join(tempDir(), 'layout');
      const env = { SOURCE_DATE_EPOCH: '1' };
      await made.wiac(['push', 'timed', `oci-layout://${layout}:x`], { env });
      const { config, layers, configDigest } = readLayout(layout);
      expect(id.trim()).toBe(configDigest);
      expect(config.created).toBe('2023-11-14T22:13:20Z');
      return [...(await getTimes(layers))].sort();
    };
    expect(await pushed('--timestamp=1700000000')).toEqual(['2023-11-14 22:13:20']);
    const newer = await pushed('--source-date-epoch=1700000000', '--rewrite-timestamp');
    expect(newer).toContain('1999-01-01 00:00:00');
    expect(newer.at(-1)).toBe('2023-11-14 22:13:20');
  });

  test('--source-date-epoch, and --rewrite-timestamp for what is newer', async () => {
    const root = await oldAndNew();
    const made = machine();
    const epoch = '--source-date-epoch=1700000000';
    const alone = await built(made, root, epoch);
    expect(alone.config.created).toBe('2023-11-14T22:13:20Z');
    expect(await getTimes(alone.layers)).toContain('2040-01-01 00:00:00');
    const { layers } = await built(made, root, epoch, '--rewrite-timestamp');
    const times = await getTimes(layers);
    expect([...times].sort().at(-1)).toBe('2023-11-14 22:13:20');
    expect(times).toContain('1999-01-01 00:00:00');
    const argument = context({
      Dockerfile: dockerfile('ARG SOURCE_DATE_EPOCH', 'RUN echo $SOURCE_DATE_EPOCH > /epoch'),
    });
    await made.build(argument, epoch, '-t', 'epoch');
    const { stdout } = await made.wiac(['run', 'epoch', '/bin/cat', '/epoch']);
    expect(stdout).toBe('1700000000\n');
  });

  test('layers of a base image keep theirs, whatever the store has of them', async () => {
    const [maker, user] = [machine(), machine()];
    const { layout } = await built(maker, context({ Dockerfile: dockerfile('RUN echo > /b') }));
    const root = context({ Dockerfile: `FROM oci-layout://${layout}\nRUN echo > /own\n` });
    const timed = (made: Machine) => built(made, root, '--timestamp=1');
    const { layers } = await timed(user);
    const digests = (paths: readonly string[]) => paths.map((path) => basename(path));
    expect(digests(layers).slice(0, -1)).toEqual(digests(readLayout(layout).layers));
    expect([...(await members(layers.at(-1) ?? '')).values()]).toEqual(['1970-01-01 00:00:01']);
    // Its own steps made them there.
    expect((await timed(maker)).configDigest).toBe((await timed(user)).configDigest);
    // As after a prune: a blob can be made again.
    for (const digest of digests(layers)) rmSync(join(user.root, 'blobs/sha256', digest));
    expect(digests((await timed(user)).layers)).toEqual(digests(layers));
  });

  test('one layer in the place of all is one of the build', async () => {
    const { layout } = await built(machine(), context({ Dockerfile: dockerfile() }));
    const root = context({ Dockerfile: `FROM oci-layout://${layout}\nENV A=1\n` });
    const { layers } = await built(machine(), root, '--timestamp=1', '--squash-all');
    expect(await getTimes(layers)).toEqual(new Set(['1970-01-01 00:00:01']));
  });

  test.each([
    [['--timestamp=yesterday'], 'seconds'],
    [['--source-date-epoch=-1'], 'seconds'],
    [['--timestamp=1', '--source-date-epoch=1'], 'give only one of them'],
    [['--rewrite-timestamp'], 'SOURCE_DATE_EPOCH'],
  ])('%j is refused', async (flags, message) => {
    const root = context({ Dockerfile: dockerfile() });
    const { exitCode, stderr } = await machine().wiac(['build', ...flags, root]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
