/** `wiac repro --against`: images that are built again from their provenance. */
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import type { WebServer } from '../support/web-server.js';
import { repository, serveFiles } from '../support/web-server.js';
import type { Result } from '../support/wiac.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

interface Layer {
  readonly text?: string;
  readonly outcome: string;
  readonly otherInputs: boolean;
  readonly diffIds: readonly (string | null)[];
  readonly findings: readonly { readonly path: string; readonly cause: string }[];
}

const outcomes = ({ stdout }: Result) => {
  const { layers } = JSON.parse(stdout) as { layers: Layer[] };
  return layers.map(({ outcome, text = '' }) => [text.split(' ').slice(0, 2).join(' '), outcome]);
};

let registry: Registry;
let web: WebServer;
/** What each call printed. */
let results: Record<
  | 'moved'
  | 'again'
  | 'other'
  | 'download'
  | 'archive'
  | 'named'
  | 'min'
  | 'none'
  | 'path'
  | 'option',
  Result
>;

beforeAll(async () => {
  registry = await startRegistry();
  const { wiac } = machine();
  const elsewhere = machine();
  const run = async (args: readonly string[], on = wiac) => {
    const result = await on(args);
    if (result.exitCode !== 0) throw new Error(result.stderr);
  };
  const base = `${registry.host}/base:1`;
  const bases = ['one', 'two'].map((word) =>
    context({ Dockerfile: dockerfile(`RUN echo ${word} > /word`) }),
  );
  const [first = '', second = ''] = bases;
  await run(['build', '-q', '-t', base, '--push', first]);

  // A context of a repository, an image by its tag, and times that are the same in every build.
  const { root, git } = await repository({
    Dockerfile: `FROM ${base}\nARG WHO\nCOPY f /f\nRUN cat /f /word > /g; echo $WHO >> /g\n`,
    f: 'a file\n',
  });
  web = await serveFiles(root);
  const pinned = `${registry.host}/pinned:1`;
  const times = ['--source-date-epoch', '1700000000'];
  const output = `type=image,name=${pinned},push=true,rewrite-timestamp=true`;
  const provenance = '--provenance=mode=max';
  await run(
    [
      'build',
      '-q',
      ...times,
      '--build-arg=WHO=me',
      provenance,
      '-o',
      output,
      `http://${web.host}/r.git`,
    ],
    elsewhere.wiac,
  );

  const local = context({
    Dockerfile: dockerfile('COPY src /src', 'RUN date > /date', 'RUN echo fixed > /fixed'),
    'src/f': 'before',
  });
  // Else its times are those of the contexts before when all are made within a second.
  utimesSync(join(local, 'bin/busybox'), 1_600_000_000, 1_600_000_000);
  const archive = (name: string) => join(tempDir(), name);
  const [max, min, none, fetched, sent] = ['max', 'min', 'none', 'fetched', 'sent'].map(
    archive,
  ) as [string, string, string, string, string];
  await run(['build', '-q', provenance, '-o', `type=oci,dest=${max}`, local]);
  await run(['build', '-q', '--provenance', '-o', `type=oci,dest=${min}`, local]);
  await run(['build', '-q', '-o', `type=oci,dest=${none}`, local]);

  const files = tempDir();
  writeFileSync(join(files, 'data'), 'before');
  const server = await serveFiles(files);
  const add = context({ Dockerfile: dockerfile(`ADD http://${server.host}/data /data`) });
  await run(['build', '-q', provenance, '-o', `type=oci,dest=${fetched}`, add]);
  // A context of the web, and one of a directory that is nobody else's.
  const named = ['--build-context', `lib=${context({ f: 'of the builder' })}`];
  const lines = context({ Dockerfile: 'FROM scratch\nCOPY f /f\nCOPY --from=lib f /l\n', f: 'f' });
  const send = () => execa('tar', ['-cf', join(files, 'c.tar'), '-C', lines, '.']);
  await send();
  const flags = ['-q', provenance, ...named, '-o', `type=oci,dest=${sent}`];
  await run(['build', ...flags, `http://${server.host}/c.tar`]);

  // Everything moves on.
  await run(['build', '-q', '-t', base, '--push', second]);
  writeFileSync(join(root, 'work/f'), 'another file\n');
  await git('commit', '-qam', 'more');
  await git('push', '-q', join(root, 'r.git'), 'HEAD:main');
  writeFileSync(join(files, 'data'), 'after');
  writeFileSync(join(lines, 'f'), 'after');
  await send();
  const against = (image: string, ...args: string[]) =>
    wiac(['repro', '-q', '--json', '--against', image, ...args]);
  const again = await against(`oci-archive:${max}`, local);
  writeFileSync(join(local, 'src/f'), 'after');
  results = {
    moved: await machine().wiac(['repro', '-q', '--json', '--against', pinned]),
    again,
    other: await wiac(['repro', '-q', '--against', `oci-archive:${max}`, local]),
    download: await against(`oci-archive:${fetched}`, add),
    archive: await against(`oci-archive:${sent}`, ...named),
    named: await against(`oci-archive:${sent}`),
    min: await against(`oci-archive:${min}`, local),
    none: await against(`oci-archive:${none}`, local),
    path: await against(`oci-archive:${max}`),
    option: await against(`oci-archive:${max}`, '--build-arg=A=b', local),
  };
  server.stop();
}, 120_000);

afterAll(async () => {
  web.stop();
  await registry.stop();
});

test('from commit and digest, though branch and tag have moved: the same digests', () => {
  expect(results.moved).toMatchObject({ exitCode: 0, stderr: '' });
  const report = JSON.parse(results.moved.stdout);
  expect(report).toMatchObject({ version: 1, reproducible: true, sameConfig: true });
  expect(outcomes(results.moved)).toEqual([
    ['', 'same'],
    ['', 'same'],
    ['COPY f', 'same'],
    ['RUN cat', 'same'],
  ]);
});

test('which layers are the same, and which files of the others differ', () => {
  expect(results.again.exitCode).toBe(13);
  expect(outcomes(results.again)).toEqual([
    // The cache had it from a context whose files had other times.
    ['COPY bin', 'same files'],
    ['COPY src', 'same'],
    ['RUN date', 'different'],
    ['RUN echo', 'same files'],
  ]);
  const { layers } = JSON.parse(results.again.stdout) as { layers: Layer[] };
  expect(layers[2]?.findings).toMatchObject([{ path: '/date', cause: 'time' }]);
  expect(new Set(layers[2]?.diffIds).size).toBe(2);
});

test('for people: a build context that is another one is said to be it', () => {
  expect(results.other.exitCode).toBe(13);
  const lines = results.other.stdout.split('\n');
  expect(lines).toContain('layer 2: other files  COPY src /src');
  expect(lines).toContain('    the build context has other files than it had for the image');
  expect(lines.at(-2)).toMatch(/^not reproducible: 2 of 4 layers of .*; the first one is layer 2$/);
});

test.each([
  ['a download that has changed', 'download', 14, /data/],
  ['a build context that has changed', 'archive', 14, /the build context \S+c\.tar is sha256:/],
  [
    'a directory that the provenance names',
    'named',
    2,
    /a build context lib that was a directory\nhint: .*--build-context lib=DIR/,
  ],
  [
    'provenance without the Dockerfile',
    'min',
    11,
    /does not have the Dockerfile\nhint: .*mode=max/,
  ],
  ['no provenance', 'none', 10, /carries no provenance/],
  ['no build context', 'path', 2, /has a build context that was a directory/],
  ['an option that the provenance decides', 'option', 2, /takes no --build-arg/],
] as const)('%s is an error', (_, name, exitCode, message) => {
  expect(results[name].stderr).toMatch(message);
  expect(results[name]).toMatchObject({ exitCode, stdout: '' });
});
