/** `wiac why` and the line of a build: what is not as it was when a step ran last. */
import { chmodSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile } from '../support/wiac.js';

const machine = warmMachines();

const LINES = dockerfile(
  'ARG V=1',
  'ENV E=one',
  'RUN echo $V > /v',
  'COPY src /src',
  'RUN ls /src > /list',
);

function source(): string {
  return context({ Dockerfile: LINES, 'src/a': 'a', 'src/deep/b': 'b', 'src/link': '-> a' });
}

/** Why the steps that would run would: instruction and answer. */
async function why(made: Machine, root: string, ...flags: string[]): Promise<[string, string][]> {
  const { stdout, exitCode } = await made.wiac(['why', '--format=json', ...flags, root]);
  expect(exitCode).toBe(0);
  const rows = JSON.parse(stdout) as { instruction: string; message: string | null }[];
  return rows.flatMap(({ instruction, message }): [string, string][] =>
    message === null ? [] : [[instruction, message]],
  );
}

/** The answer for the first step that would run. */
async function first(made: Machine, root: string, ...flags: string[]): Promise<string> {
  const [answer] = await why(made, root, ...flags);
  return answer === undefined ? 'nothing' : `${answer[0]}: ${answer[1]}`;
}

describe('one change', () => {
  test.each<[string, (root: string) => unknown, string]>([
    ['content', (root) => writeFileSync(join(root, 'src/a'), 'b'), 'src/a changed (content '],
    [
      'mode',
      (root) => chmodSync(join(root, 'src/deep/b'), 0o600),
      'src/deep/b changed (mode 0644 -> 0600)',
    ],
    [
      'a file more',
      (root) => writeFileSync(join(root, 'src/deep/c'), ''),
      'src/deep/c was added (file 0644',
    ],
    [
      'a file less',
      (root) => rmSync(join(root, 'src/deep/b')),
      'src/deep/b was removed (file 0644',
    ],
    ['a name', (root) => renameSync(join(root, 'src/a'), join(root, 'src/0')), 'src/0 was added'],
    [
      'a link',
      (root) => {
        rmSync(join(root, 'src/link'));
        symlinkSync('deep', join(root, 'src/link'));
      },
      'src/link changed (target a -> deep)',
    ],
    [
      'a link in the place of a file',
      (root) => {
        rmSync(join(root, 'src/a'));
        symlinkSync('deep', join(root, 'src/a'));
      },
      'src/a changed (file became symlink)',
    ],
    [
      'an attribute',
      (root) => execa('setfattr', ['-n', 'user.x', '-v', 'y', join(root, 'src/a')]),
      'src/a changed (extended attributes)',
    ],
  ])('%s of a file that COPY selects', async (_, change, expected) => {
    const made = machine();
    const root = source();
    await made.build(root);
    await change(root);
    expect(await first(made, root)).toContain(`COPY src /src: ${expected}`);
  });

  test.each([
    ['ARG', ['--build-arg', 'V=2'], 'RUN echo $V > /v: V changed from "1" to "2"'],
    ['platform', ['--platform', 'linux/arm64'], 'COPY bin /bin: platform changed from linux/'],
  ])('%s', async (_, flags, expected) => {
    const made = machine();
    const root = source();
    await made.build(root);
    expect(await first(made, root, ...flags)).toContain(expected);
  });

  test.each([
    ['ENV', 'E=one', 'E=two', 'RUN echo $V > /v: E changed from "one" to "two"'],
    ['a new ENV', 'E=one', 'E=one F=1', 'RUN echo $V > /v: F is set now: "1"'],
    [
      'a flag',
      'COPY src',
      'COPY --chown=3 src',
      'COPY --chown=3 src /src: the instruction was COPY src /src',
    ],
    [
      'the words',
      'echo $V',
      'printf $V',
      'RUN printf $V > /v: the instruction was RUN echo $V > /v',
    ],
  ])('%s of the Dockerfile', async (_, before, after, expected) => {
    const made = machine();
    const root = source();
    await made.build(root);
    writeFileSync(join(root, 'Dockerfile'), LINES.replace(before, after));
    expect(await first(made, root)).toBe(expected);
  });

  test('mtimes and files that nothing selects are no reason', async () => {
    const made = machine();
    const root = source();
    await made.build(root);
    utimesSync(join(root, 'src/a'), 1, 1);
    writeFileSync(join(root, 'unused'), '');
    expect(await why(made, root)).toEqual([]);
    const { stdout } = await made.wiac(['why', root]);
    expect(stdout).toBe('every step is in the cache\n');
  });
});

test('followers name the step before them', async () => {
  const made = machine();
  const root = source();
  await made.build(root);
  writeFileSync(join(root, 'src/a'), 'changed');
  expect(await why(made, root)).toEqual([
    ['COPY src /src', expect.stringContaining('src/a changed')],
    ['RUN ls /src > /list', expect.stringMatching(/^\[0 6\/7\] changed$/)],
  ]);
});

test('only what may be found by its content is said to depend on the steps before it', async () => {
  const made = machine();
  const text = (word: string) =>
    dockerfile(`RUN echo ${word} > /f`, 'COPY src /src', 'ARG A', 'RUN ls', 'WORKDIR /w');
  const root = context({ Dockerfile: text('one'), 'src/a': 'a' });
  await made.build(root);
  const depends = async (...flags: string[]) => {
    const { stdout } = await made.wiac(['why', ...flags, root]);
    return stdout.match(/(?<=\] )\S+ \S+(?=.*\n.* \(runs only if)/g);
  };
  writeFileSync(join(root, 'Dockerfile'), text('two'));
  expect(await depends()).toEqual(['COPY src', 'RUN ls', 'WORKDIR /w']);
  expect(await depends('--build-arg=A=1')).toEqual(['COPY src', 'WORKDIR /w']);
  writeFileSync(join(root, 'src/a'), 'b');
  expect(await depends('--build-arg=A=1')).toEqual(['WORKDIR /w']);
});

test('of two long values the part that differs is shown', async () => {
  const made = machine();
  const text = (word: string) => dockerfile('RUN <<E', `# ${'x'.repeat(99)}`, `echo ${word}`, 'E');
  const root = context({ Dockerfile: text('one') });
  await made.build(root);
  writeFileSync(join(root, 'Dockerfile'), text('two'));
  expect(await first(made, root)).toBe(
    'RUN <<E: argv changed from ...xxxxx\\necho one\\n"] to ...xxxxx\\necho two\\n"]',
  );
});

test('a base image that changed', async () => {
  const made = machine();
  await made.build(context({ Dockerfile: dockerfile('RUN echo 1 > /one') }), '-t', 'base');
  const root = context({ Dockerfile: 'FROM base\nRUN echo x > /x\n' });
  await made.build(root);
  await made.build(context({ Dockerfile: dockerfile('RUN echo 2 > /one') }), '-t', 'base');
  expect(await first(made, root)).toMatch(
    /^RUN echo x > \/x: the base image changed from sha256:[0-9a-f]{64} to sha256:[0-9a-f]{64}$/,
  );
});

test('files of another stage', async () => {
  const made = machine();
  const text = (word: string) =>
    `FROM scratch AS a\nCOPY bin /bin\nRUN mkdir /o && echo ${word} > /o/f\nFROM scratch\nCOPY --from=a /o /o\n`;
  const root = context({ Dockerfile: text('one') });
  await made.build(root);
  writeFileSync(join(root, 'Dockerfile'), text('two'));
  const { events } = await made.build(root);
  const misses = events.flatMap((event) => (event.type === 'started' ? [event.why] : []));
  expect(misses).toMatchObject([
    { kind: 'different', difference: { kind: 'instruction' } },
    { kind: 'different', difference: { kind: 'file', change: { path: 'o/f', change: 'changed' } } },
  ]);
});

/** The answers of a build, without the names of the steps. */
async function misses(made: Machine, root: string): Promise<string[]> {
  const { stderr } = await made.wiac(['build', '--progress=plain', root]);
  return stderr.split('\n').flatMap((line) => line.split('] miss: ')[1] ?? []);
}

test('one file from two stages: each COPY is compared with what it was itself', async () => {
  const made = machine();
  const text = `FROM scratch AS a
COPY one /o/one
FROM scratch AS b
COPY two /o/two
FROM scratch
COPY --from=a /o /o
COPY --from=b /o /o
`;
  const root = context({ Dockerfile: text, one: '1', two: '2' });
  await made.build(root);
  writeFileSync(join(root, 'one'), 'changed');
  expect(await misses(made, root)).toEqual([
    expect.stringMatching(/^one changed/),
    expect.stringMatching(/^o\/one changed/),
  ]);
});

test('a step before that made the same files again is no reason', async () => {
  const made = machine();
  const text = (word: string) =>
    dockerfile(
      `RUN echo same > /f # ${word}`,
      'RUN --mount=type=bind,source=src,target=/src ls /src',
    );
  const root = context({ Dockerfile: text('one'), 'src/a': 'a' });
  await made.build(root);
  writeFileSync(join(root, 'Dockerfile'), text('two'));
  writeFileSync(join(root, 'src/a'), 'b');
  expect((await misses(made, root)).at(-1)).toBe('[build context 1/1] changed');
});

test('a build says it in one line, and that it was not asked with --no-cache', async () => {
  const made = machine();
  const root = source();
  const lines = async (...flags: string[]) => {
    const { stderr } = await made.wiac(['build', '--progress=plain', ...flags, root]);
    return stderr.split('\n').filter((line) => line.includes('miss: '));
  };
  expect(await lines()).toHaveLength(4);
  expect(await lines()).toEqual([]);
  writeFileSync(join(root, 'src/a'), 'changed');
  expect(await lines()).toEqual([
    expect.stringContaining('miss: src/a changed (content '),
    expect.stringContaining('miss: [0 6/7] changed'),
  ]);
  expect((await lines('--no-cache')).map((line) => line.replace(/.*miss: /, ''))).toEqual(
    Array(4).fill('the cache was not asked'),
  );
});

test('one step by its id, its name or its beginning; one that is not there', async () => {
  const made = machine();
  const root = source();
  for (const wanted of ['s6', '[0 6/7]', '0 6/7', 'copy SRC']) {
    const { stdout } = await made.wiac(['why', root, wanted]);
    expect(stdout).toBe('[0 6/7] COPY src /src\n    nothing like it is in the cache\n');
  }
  const missing = await made.wiac(['why', root, 'COPY nothing']);
  expect(missing).toMatchObject({ exitCode: 10, stdout: '' });
});

test('secrets are not in any answer', async () => {
  const made = machine();
  const root = context({
    Dockerfile: dockerfile('RUN --mount=type=secret,id=s cat /run/secrets/s > /dev/null'),
    s: 'hush-hush',
  });
  await made.build(root, '--secret', `id=s,src=${join(root, 's')}`);
  const { stdout } = await made.wiac(['why', '--format=json', '--build-arg', 'x=y', root]);
  expect(stdout).not.toContain('hush-hush');
});
