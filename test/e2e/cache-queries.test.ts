/** `wiac cache tree|diff|find`, `cache ls --sort`: questions about what the cache holds. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, WIAC } from '../support/wiac.js';

const machine = warmMachines();

/** Two builds that differ in one file: a common COPY bin, and a COPY src and a RUN each. */
async function twoBuilds(): Promise<Machine> {
  const made = machine();
  const root = context({
    Dockerfile: dockerfile('COPY src /src', 'RUN rm /src/gone && cp /src/a /made'),
    'src/a': 'first',
    'src/gone': '',
    'src/same': 'same',
  });
  await made.build(root);
  writeFileSync(join(root, 'src/a'), 'second');
  await made.build(root);
  return made;
}

async function json<T>(made: Machine, ...args: string[]): Promise<T> {
  const { stdout, stderr, exitCode } = await made.wiac(['cache', ...args, '--format=json']);
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  return JSON.parse(stdout) as T;
}

async function keysFor(made: Machine, filter: string): Promise<string[]> {
  const entries = await json<{ key: string }[]>(made, 'ls', '--filter', filter);
  return entries.map(({ key }) => key);
}

test('tree: entries below the one they were built on', async () => {
  const made = await twoBuilds();
  const { stdout } = await made.wiac(['cache', 'tree']);
  const shape = stdout.split('\n').map((line) => line.replace(/ \([0-9a-f]{12}, .*\)$/, ''));
  expect(shape).toEqual([
    '└── COPY bin /bin',
    '    ├── COPY src /src',
    '    │   └── RUN rm /src/gone && cp /src/a /made',
    '    └── COPY src /src',
    '        └── RUN rm /src/gone && cp /src/a /made',
    '',
  ]);
  const [root] = await json<{ instruction: string; children: unknown[] }[]>(made, 'tree');
  expect(root).toMatchObject({
    instruction: 'COPY bin /bin',
    children: [{ instruction: 'COPY src /src', children: [{}] }, {}],
  });
});

test('a removed entry leaves what was built on it as a root', async () => {
  const made = await twoBuilds();
  const [key = ''] = await keysFor(made, 'COPY bin');
  await made.wiac(['cache', 'rm', key]);
  const roots = await json<{ instruction: string }[]>(made, 'tree');
  expect(roots.map(({ instruction }) => instruction)).toEqual(['COPY src /src', 'COPY src /src']);
});

describe('diff', () => {
  test('inputs and files of two layers', async () => {
    const made = await twoBuilds();
    const [after = '', before = ''] = await keysFor(made, 'COPY src');
    const { stdout } = await made.wiac(['cache', 'diff', before, after]);
    const sha = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);
    const change = `content ${sha('first')} -> ${sha('second')}`;
    expect(stdout.split('\n')).toEqual([
      `input: src/a changed (${change})`,
      `layer: src/a changed (${change})`,
      '',
    ]);
  });

  test('steps below, by their instruction; the other direction; no difference', async () => {
    const made = await twoBuilds();
    const [after = '', before = ''] = await keysFor(made, 'RUN rm');
    const { stdout } = await made.wiac(['cache', 'diff', after, before]);
    expect(stdout).toContain('input: COPY src /src changed\n');
    expect(stdout).toMatch(/^layer: made changed \(content /m);
    expect((await made.wiac(['cache', 'diff', after, after])).stdout).toBe('no difference\n');
  });

  test('a key that is not there', async () => {
    const made = await twoBuilds();
    const [key = ''] = await keysFor(made, 'COPY bin');
    expect(await made.wiac(['cache', 'diff', key, 'ffffffffffff'])).toMatchObject({
      exitCode: 10,
      stdout: '',
    });
  });
});

describe('find', () => {
  interface Row {
    readonly path: string;
    readonly type: string;
    readonly digest: string | null;
    readonly instruction: string;
  }

  test('a path: each layer that has it, with its version', async () => {
    const made = await twoBuilds();
    const rows = await json<Row[]>(made, 'find', '/src/a');
    const sha = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
    expect(new Set(rows.map(({ digest }) => digest))).toEqual(
      new Set([sha('first'), sha('second')]),
    );
    expect(new Set(rows.map(({ instruction }) => instruction))).toEqual(new Set(['COPY src /src']));
  });

  test('a digest, whole or its beginning, whatever the path', async () => {
    const made = await twoBuilds();
    const digest = createHash('sha256').update('first').digest('hex');
    for (const wanted of [digest, `sha256:${digest}`, digest.slice(0, 12)]) {
      const rows = await json<Row[]>(made, 'find', wanted);
      expect(rows.map(({ path }) => path).sort()).toEqual(['/made', '/src/a']);
    }
  });

  test('wildcards; a whiteout is told from a file', async () => {
    const made = await twoBuilds();
    const rows = await json<Row[]>(made, 'find', '**/gone');
    expect(rows.map(({ type }) => type).sort()).toEqual(['file', 'file', 'whiteout', 'whiteout']);
    expect((await made.wiac(['cache', 'find', '/src/s*'])).stdout).toContain('/src/same');
  });

  test('nothing found, and what is no pattern', async () => {
    const made = await twoBuilds();
    expect(await made.wiac(['cache', 'find', '/nothing'])).toMatchObject({ exitCode: 10 });
    expect(await made.wiac(['cache', 'find', '[a'])).toMatchObject({ exitCode: 2 });
  });
});

describe('ls', () => {
  test('newest first, and by every column', async () => {
    const made = await twoBuilds();
    const list = (...flags: string[]) => json<Record<string, number>[]>(made, 'ls', ...flags);
    const columns = {
      created: 'created',
      used: 'lastUsed',
      size: 'bytes',
      time: 'durationMs',
      hits: 'hits',
    };
    for (const [sort, column] of Object.entries(columns)) {
      const values = (await list('--sort', sort)).map((entry) => entry[column] ?? 0);
      expect(values).toEqual([...values].sort((a, b) => b - a));
      const reversed = (await list('--sort', sort, '-r')).map((entry) => entry[column] ?? 0);
      expect(reversed).toEqual([...values].reverse());
    }
    expect((await list()).map(({ created }) => created)).toEqual(
      (await list('--sort', 'created')).map(({ created }) => created),
    );
  });

  test('a reader that stops early is no error', async () => {
    const made = await twoBuilds();
    const { exitCode, stderr } = await execa(
      'bash',
      ['-o', 'pipefail', '-c', `${process.execPath} ${WIAC} cache ls | true`],
      { env: { WIAC_ROOT: made.root }, reject: false },
    );
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });

  test('an entry that is made again is listed once, at its new time', async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo x') });
    await made.build(root);
    await made.build(root, '--no-cache');
    expect(await keysFor(made, 'RUN')).toHaveLength(1);
    expect(await keysFor(made, '')).toHaveLength(2);
  });
});

describe('names of others', () => {
  /** A context with a name that would drive a terminal, in an instruction that does so as well. */
  async function driving(): Promise<Machine> {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile('COPY src /src', 'RUN echo "\u001b[31m" && ln -s target /link'),
      'src/new\nline\u001b[31m': 'first',
    });
    await made.build(root);
    writeFileSync(join(root, 'src/new\nline\u001b[31m'), 'second');
    const why = await made.wiac(['why', root]);
    expect(why.stdout).toContain('    src/new\\nline\\x1b[31m changed (');
    expect(why.stdout).toContain('RUN echo "\\x1b[31m" &&');
    await made.build(root);
    return made;
  }

  test('tree, diff, ls and why print them as one line that drives no terminal', async () => {
    const made = await driving();
    const [after = '', before = ''] = await keysFor(made, 'COPY src');
    const answers = await Promise.all(
      [['tree'], ['ls'], ['diff', before, after]].map((args) => made.wiac(['cache', ...args])),
    );
    expect(answers.map(({ stdout }) => stdout).join('')).not.toContain('\u001b');
    expect(answers[2]?.stdout).toContain('layer: src/new\\nline\\x1b[31m changed (');
  });

  test('show: a link and its target are two things for programs, one line for people', async () => {
    const made = await driving();
    const [key = ''] = await keysFor(made, 'ln -s');
    const { files } = await json<{ files: unknown[] }>(made, 'show', key);
    expect(files).toEqual([expect.objectContaining({ path: 'link', target: 'target' })]);
    expect((await made.wiac(['cache', 'show', key])).stdout).toContain('  link -> target\n');
  });
});

test('diff: a step that read others which the second one does not', async () => {
  const made = machine();
  await made.build(
    context({
      Dockerfile: [
        'FROM scratch AS one',
        'COPY a /a',
        'FROM scratch',
        'COPY --from=one /a /b',
        '',
      ].join('\n'),
      a: 'a',
    }),
  );
  const [copied = '', first = ''] = await keysFor(made, 'COPY');
  const { stdout } = await made.wiac(['cache', 'diff', copied, first]);
  expect(stdout).toContain('input: COPY a /a changed\n');
  expect(stdout).not.toContain('(none)');
});

test('whiteouts that an archive makes are those that a program leaves', async () => {
  const [made, other] = [machine(), machine()];
  const root = context({
    Dockerfile: dockerfile('COPY src /src', 'RUN cd /src && rm one two && mv three four'),
    'src/one': '1',
    'src/two': '2',
    'src/three': '3',
  });
  await made.build(root);
  const file = join(made.root, 'cache.wiac');
  expect(await made.wiac(['cache', 'export', file])).toMatchObject({ exitCode: 0 });
  expect(await other.wiac(['cache', 'import', file])).toMatchObject({ exitCode: 0 });
  expect(await other.wiac(['cache', 'verify'])).toMatchObject({ exitCode: 0, stderr: '' });
});
