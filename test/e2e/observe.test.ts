/** What a build, a plan and the cache tell: events, lists, lines. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { getTables } from '../../src/store/index/tables.js';
import { closeStore, openStore } from '../../src/store/store.js';
import { warmMachines } from '../support/warm-command.js';
import type { BuildEvent } from '../support/wiac.js';
import { context, dockerfile, ranSteps, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

const LINES = dockerfile('ENV A=b', 'WORKDIR /w', 'RUN echo one > one', 'COPY f /f');

function types(events: readonly BuildEvent[]): string[] {
  return events.map(({ type }) => type);
}

describe('--progress=json', () => {
  test('a first build: every step starts and finishes, the last event counts them', async () => {
    const { events } = await machine().build(context({ Dockerfile: LINES, f: 'x' }), '--jobs=1');
    expect(types(events)).toEqual([
      'planned',
      ...Array.from({ length: 4 }, () => ['started', 'finished']).flat(),
      'built',
    ]);
    expect(events.at(-1)).toMatchObject({ executed: 4, cached: 0 });
  });

  test('the second build: every step is cached, by its definition', async () => {
    const { build } = machine();
    const root = context({ Dockerfile: LINES, f: 'x' });
    const first = await build(root);
    const { events, lowerdirs } = await build(root);
    expect(lowerdirs).toBe(first.lowerdirs);
    expect(types(events)).toEqual(['planned', 'cached', 'cached', 'cached', 'cached', 'built']);
    for (const event of events.filter(({ type }) => type === 'cached'))
      expect(event).toMatchObject({ by: 'definition' });
    expect(events.at(-1)).toMatchObject({ executed: 0, cached: 4 });
  });

  test('a failed step ends with what failed, then the error, and no result', async () => {
    const root = context({ Dockerfile: dockerfile('RUN echo out; exit 3') });
    const { stderr, stdout, exitCode } = await machine().wiac(['build', '--progress=json', root]);
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as BuildEvent);
    expect(types(events).slice(-3)).toEqual(['output', 'failed', 'error']);
    expect(events.at(-1)).toMatchObject({ lastLines: ['out'], stepExitCode: 3 });
    expect({ stdout, exitCode }).toEqual({ stdout: '', exitCode: 5 });
  });
});

describe('early cut-off', () => {
  test('followers of a COPY that changed nothing are cached by content, files that differ are not', async () => {
    const { build } = machine();
    const root = context({
      Dockerfile: dockerfile('COPY f /f', 'RUN wc -c < /f > /size', 'RUN cat /size > /copy'),
      f: 'abc',
    });
    await build(root);
    writeFileSync(join(root, 'f'), 'xyz');
    // The first RUN has to run: it could read the file. What it wrote is the same, but /f is not.
    expect(ranSteps((await build(root)).events)).toHaveLength(3);
  });

  test('a stage that is made anew with the same files leaves all that copies from it', async () => {
    const { build } = machine();
    const text = (comment: string) => `FROM scratch AS base
COPY bin /bin
FROM base AS make
RUN echo same > /out && true ${comment}
FROM base
COPY --from=make /out /out
RUN cat /out > /again
`;
    const root = context({ Dockerfile: text('1') });
    const first = await build(root);
    writeFileSync(join(root, 'Dockerfile'), text('2'));
    const { events, lowerdirs } = await build(root);
    expect(ranSteps(events)).toEqual(['RUN echo same > /out && true 2']);
    expect(lowerdirs).toBe(first.lowerdirs);
    const cached = events.filter(({ type }) => type === 'cached').map(({ by }) => by);
    expect(cached).toEqual(['definition', 'content', 'content']);
  });
});

describe('--no-cache-filter', () => {
  const text = `FROM scratch AS base
COPY bin /bin
FROM base AS Tools
RUN echo tools > /tools
FROM base
COPY --from=tools /tools /tools
`;

  test('runs the stages it names, and no other', async () => {
    const { build } = machine();
    const root = context({ Dockerfile: text });
    await build(root);
    expect(ranSteps((await build(root, '--no-cache-filter=tools')).events)).toEqual([
      'RUN echo tools > /tools',
    ]);
    expect(ranSteps((await build(root, '--no-cache-filter=base,Tools')).events)).toEqual([
      'COPY bin /bin',
      'RUN echo tools > /tools',
    ]);
  });
});

describe('a terminal', () => {
  /** What a terminal shows of a command, control sequences included. */
  async function onTerminal(store: string, ...args: string[]) {
    const command = [process.execPath, WIAC, ...args].join(' ');
    return execa('script', ['-qec', `stty rows 30 cols 70; ${command}`, '/dev/null'], {
      // As at a person's terminal, also where the tests run in CI.
      env: { WIAC_ROOT: store, CI: '', TERM: 'xterm-256color' },
      reject: false,
    });
  }

  test('running steps are drawn with their times, the result stands on a line of its own', async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo text; sleep 1') });
    const { stdout, exitCode } = await onTerminal(made.root, 'build', '--progress=auto', root);
    expect(exitCode).toBe(0);
    const text = stripVTControlCharacters(stdout);
    expect(text).toMatch(/> \[0 3\/3\] +\d+\.\d+s RUN echo text/);
    expect(text).toContain('| text');
    expect(stdout).toContain('2 run');
    // The cursor is shown again before the end.
    expect(stdout.lastIndexOf('\x1b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\x1b[?25l'));
    const shown = text.trimEnd().split('\n');
    expect(shown.at(-1)?.startsWith(`${made.root}/l/`)).toBe(true);
  });

  test('a failed step shows its error, and the cursor', async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo said; exit 4') });
    const { stdout, exitCode } = await onTerminal(made.root, 'build', root);
    expect(exitCode).toBe(5);
    expect(stdout).toContain('Dockerfile:3:1: the step ended with exit code 4');
    expect(stdout.lastIndexOf('\x1b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\x1b[?25l'));
  });
});

describe('cache ls', () => {
  async function texts(made: ReturnType<typeof machine>, ...flags: string[]): Promise<string[]> {
    const { stdout } = await made.wiac(['cache', 'ls', '--format', 'json', ...flags]);
    return (JSON.parse(stdout) as { text: string }[]).map(({ text }) => text);
  }

  /** Makes all that a store has older. @param ms by how much */
  async function makeOlder(root: string, ms: number): Promise<void> {
    const store = await openStore(root);
    const { steps, usage } = getTables(store);
    for (const { key, value } of [...steps.getRange()])
      await steps.put(key, { ...value, created: value.created - ms });
    for (const { key, value } of [...usage.getRange()])
      await usage.put(key, { ...value, lastUsed: value.lastUsed - ms });
    await closeStore(store);
  }

  test('--older and --newer, --unused: an entry is on one side of every age', async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo one') });
    await made.build(root);
    await makeOlder(made.root, 3600_000);
    writeFileSync(join(root, 'Dockerfile'), dockerfile('RUN echo two'));
    await made.build(root);
    const all = ['RUN echo two', 'RUN echo one', 'COPY bin /bin'];
    expect(await texts(made)).toEqual(all);
    expect(await texts(made, '--older', '0s')).toEqual(all);
    expect(await texts(made, '--newer', '1d')).toEqual(all);
    expect(await texts(made, '--newer', '0s')).toEqual([]);
    expect(await texts(made, '--older', '1h')).toEqual(['RUN echo one', 'COPY bin /bin']);
    // The second build used the COPY again.
    expect(await texts(made, '--unused', '1h')).toEqual(['RUN echo one']);
  });

  test('an empty cache is an empty array, and a table with a head', async () => {
    const { wiac } = machine();
    expect(JSON.parse((await wiac(['cache', 'ls', '--format', 'json'])).stdout)).toEqual([]);
    expect((await wiac(['cache', 'ls'])).stdout).toMatch(/^KEY/);
  });

  test('hits are counted', async () => {
    const { build, wiac } = machine();
    const root = context({ Dockerfile: dockerfile() });
    for (let count = 0; count < 3; count++) await build(root);
    const { stdout } = await wiac(['cache', 'ls', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject([{ hits: 2 }]);
  });
});

describe('cache show', () => {
  async function getInputs(text: string, root: string, ...flags: string[]) {
    const { build, wiac } = machine();
    await build(root, ...flags);
    const listed = JSON.parse(
      (await wiac(['cache', 'ls', '--format', 'json', '--filter', text])).stdout,
    ) as { key: string }[];
    expect(listed).toHaveLength(1);
    const shown = await wiac(['cache', 'show', '--format', 'json', listed[0]?.key ?? '']);
    return JSON.parse(shown.stdout) as { inputs: { operands: Record<string, unknown> } };
  }

  test('a RUN names the ARG and ENV values that count for it, and no later one', async () => {
    const root = context({
      Dockerfile: dockerfile('ARG GIVEN', 'ENV SET=1', 'RUN echo marker', 'ENV LATER=2'),
    });
    const shown = JSON.stringify(
      (await getInputs('marker', root, '--build-arg=GIVEN=argument')).inputs.operands,
    );
    for (const text of ['GIVEN', 'argument', 'SET']) expect(shown).toContain(text);
    expect(shown).not.toContain('LATER');
  });

  test('secrets are never in it', async () => {
    const root = context({
      Dockerfile: dockerfile('RUN --mount=type=secret,id=token echo marker'),
      secret: 'do-not-show',
    });
    const flag = `--secret=id=token,src=${join(root, 'secret')}`;
    const shown = JSON.stringify(await getInputs('marker', root, flag));
    expect(shown).toContain('token');
    expect(shown).not.toContain('do-not-show');
  });
});

describe('plan', () => {
  test('runs nothing and keeps nothing but fingerprints', async () => {
    const { wiac, root } = machine();
    const path = context({ Dockerfile: dockerfile('RUN echo x > /x') });
    expect((await wiac(['plan', path])).exitCode).toBe(0);
    for (const name of ['layers', 'l', 'tmp']) expect(readdirSync(join(root, name))).toEqual([]);
    expect(JSON.parse((await wiac(['cache', 'ls', '--format', 'json'])).stdout)).toEqual([]);
  });

  test('--target and --build-arg change what it shows', async () => {
    const { wiac } = machine();
    const path = context({
      Dockerfile: `FROM scratch AS first
COPY bin /bin
ARG N
RUN echo $N
FROM first
RUN true
`,
    });
    const keys = async (...flags: string[]) => {
      const { stdout } = await wiac(['plan', '--format', 'json', ...flags, path]);
      const { steps } = JSON.parse(stdout) as { steps: { key: string; text: string }[] };
      return new Map(steps.map(({ text, key }) => [text, key]));
    };
    const one = await keys('--build-arg=N=1');
    const two = await keys('--build-arg=N=2');
    expect(two.get('COPY bin /bin')).toBe(one.get('COPY bin /bin'));
    expect(two.get('RUN echo $N')).not.toBe(one.get('RUN echo $N'));
    expect([...(await keys('--target=first')).keys()]).not.toContain('RUN true');
  });

  test('the same input gives the same JSON, byte for byte', async () => {
    const path = context({ Dockerfile: LINES, f: 'x' });
    const once = await machine().wiac(['plan', '--format', 'json', path]);
    expect(await machine().wiac(['plan', '--format', 'json', path])).toEqual(once);
  });
});

describe("the article's command lines in a shell", () => {
  test('wiac run "$(wiac build .)" /tmp/upperlayer /myapp.sh', async () => {
    const { root } = machine();
    const bin = tempDir();
    writeFileSync(join(bin, 'wiac'), `#!/bin/sh\nexec ${process.execPath} ${WIAC} "$@"\n`, {
      mode: 0o755,
    });
    const cwd = context({
      Dockerfile: `FROM scratch
COPY . /
RUN printf '#!/bin/sh\\n' > /myapp.sh
RUN echo 'echo "Hello from $0"' >> /myapp.sh && chmod +x /myapp.sh
`,
    });
    const upper = join(tempDir(), 'upperlayer');
    const { stdout } = await execa('sh', ['-c', `wiac run "$(wiac build .)" ${upper} /myapp.sh`], {
      cwd,
      env: { PATH: `${bin}:${process.env.PATH}`, WIAC_ROOT: root },
    });
    expect(stdout).toBe('Hello from /myapp.sh');
    expect(readdirSync(join(upper, 'diff'))).toEqual([]);
  });

  test('a deleted file is a whiteout in the container layer, which hides it the next time', async () => {
    const { wiac } = machine();
    const cwd = context({ 'etc/gone': 'x', 'etc/kept': 'y' });
    const remove = ['run', '.', '../upper', '/bin/rm', '/etc/gone'];
    const upper = tempDir();
    remove[2] = upper;
    expect((await wiac(remove, { cwd })).exitCode).toBe(0);
    const { stdout } = await execa('stat', ['-c', '%F %t:%T', join(upper, 'diff/etc/gone')]);
    expect(stdout).toBe('character special file 0:0');
    expect(existsSync(join(cwd, 'etc/gone'))).toBe(true);
    const list = await wiac(['run', '.', upper, '/bin/ls', '/etc/gone', '/etc/kept'], { cwd });
    expect(list.stdout).toBe('/etc/kept\n');
    expect(readFileSync(join(cwd, 'etc/gone'), 'utf8')).toBe('x');
  });
});
