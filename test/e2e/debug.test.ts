/** Shells in the containers of steps (`wiac build --debug`), through a terminal. */
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readAbout } from '../support/process-facts.js';
import { getMachine, wiacAs } from '../support/rootless.js';
import {
  context,
  dockerfile,
  machine,
  printed,
  processesWith,
  tempDir,
  WIAC,
} from '../support/wiac.js';

const PROMPT = ' # ';

interface Typed {
  /** What is typed when the terminal shows a prompt, one after the other. */
  readonly lines: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Put in front of the command. */
  readonly as?: readonly string[];
}

/** A line that ends with Ctrl-C, once its program has the terminal: the shell itself would not print before. */
const WAITING = `sh -c "echo rea'-'dy; exec cat"`;

const children: { readonly kill: (signal: NodeJS.Signals) => boolean }[] = [];

afterEach(() => {
  // Those of a test that failed.
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A command on a terminal. */
function onTerminal(words: string, { env, cwd, as = [] }: Omit<Typed, 'lines'>) {
  const [program = 'script', ...before] = [...as, 'script'];
  const command = `stty rows 40 cols 200; exec ${process.execPath} ${WIAC} ${words}`;
  const child = execa(program, [...before, '-qec', command, '/dev/null'], {
    // As at a person's terminal, also where the tests run in CI.
    env: { CI: '', TERM: 'xterm-256color', ...env },
    reject: false,
    ...(cwd === undefined ? {} : { cwd }),
  });
  children.push(child);
  return child;
}

/** The same with a person who types. @returns what the terminal showed, without control sequences */
async function typed(words: string, { lines, ...where }: Typed) {
  const child = onTerminal(words, where);
  for (const line of lines) {
    await printed(child.stdout, PROMPT);
    const begun = line === WAITING ? printed(child.stdout, 'rea-dy') : undefined;
    child.stdin.write(`${line}\n`);
    await begun;
    if (begun) child.stdin.write('\x03');
  }
  const { exitCode, stdout } = await child;
  return { exitCode, text: stripVTControlCharacters(stdout).replaceAll('\r', ''), raw: stdout };
}

/** What the last command of a shell printed, between marks that its echoed line does not have. */
const show = (command: string) => `echo "<""<"; ${command}; echo ">"">"`;
const shown = (text: string) => /<<\n(.*?)>>/s.exec(text)?.[1] ?? `no marks in ${text}`;

const FAILING = dockerfile(
  'ENV GREETING=hello',
  'WORKDIR /w',
  'RUN --mount=type=cache,target=/cache --mount=type=secret,id=s --mount=type=bind,target=/ctx,rw echo bound > /ctx/new; echo kept > /cache/x; echo made > made; rm /bin/chmod; exit 3',
);

describe('a step that failed', () => {
  test('its container, with its files and those from before; nothing of the shell is kept', async () => {
    const { root, wiac } = machine();
    const directory = context({ Dockerfile: FAILING });
    const cwd = tempDir();
    writeFileSync(join(cwd, 'secret'), 'of the step\n');
    const build = `build --secret id=s,src=secret ${directory}`;
    const { exitCode, text, raw } = await typed(`${build} --debug > result`, {
      lines: [
        show(
          'pwd; cat made /cache/x /ctx/new /run/secrets/s; ls /bin/chmod /.wiac/before/bin/chmod 2>&1; echo $GREETING $TERM; touch /.wiac/before/z 2>&1; echo dirty > /cache/y; rm made',
        ),
        'exit 0',
      ],
      env: { WIAC_ROOT: root },
      cwd,
    });
    expect(exitCode).toBe(5);
    expect(shown(text).split('\n')).toEqual([
      '/w',
      'made',
      'kept',
      'bound',
      'of the step',
      'ls: /bin/chmod: No such file or directory',
      '/.wiac/before/bin/chmod',
      'hello xterm-256color',
      'touch: /.wiac/before/z: Read-only file system',
      '',
    ]);
    expect(text).toContain('failed: the step ended with exit code 3\n');
    expect(text).toContain('debug: /.wiac/before has the files from before the step');
    expect(text).toMatch(/wiac: .*Dockerfile:\d+:1: the step ended with exit code 3/);
    // The frame is there before the shell, with a cursor, and nothing is drawn while the shell is.
    const [above = '', below = ''] = raw.split('debug: when the shell ends');
    expect(above).toContain('1 running');
    expect(above.lastIndexOf('\x1b[?25h')).toBeGreaterThan(above.lastIndexOf('\x1b[?25l'));
    expect(below.slice(0, below.indexOf('<<\r\n'))).not.toContain('1 running');
    expect(readFileSync(join(cwd, 'result'), 'utf8')).toBe('');
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    const [cache = ''] = readdirSync(join(root, 'mounts'));
    expect(readdirSync(join(root, 'mounts', cache))).toEqual(['x']);
    // The step is no entry.
    const { stdout } = await wiac(['plan', directory]);
    expect(stdout).toMatch(/miss .*RUN --mount/);
  });

  test('an image whose shell can not start gets busybox, which ends up in no layer', async () => {
    const { root, wiac } = machine();
    const directory = context({
      Dockerfile:
        'FROM scratch\nCOPY --chmod=755 <<EOF /bin/bash\n#!/nowhere\nEOF\nCOPY bin/busybox /app/busybox\nRUN ["/app/busybox", "touch", "/x"]\nRUN ["/app/busybox", "false"]\n',
    });
    const { exitCode, text } = await typed(`build --debug --progress=plain ${directory}`, {
      lines: [show('ls /; touch /y'), 'exit 1'],
      env: { WIAC_ROOT: root },
    });
    expect(exitCode).toBe(5);
    expect(text).toContain('debug: /bin/bash in its container');
    expect(shown(text)).toContain('app');
    const { stdout } = await wiac(['diff', directory, 's4']);
    expect(stdout).toBe('A  0 B  /x\n');
  });

  test('without a terminal one line says why there is no shell', async () => {
    const { wiac } = machine();
    const directory = context({ Dockerfile: dockerfile('RUN exit 4') });
    const failed = await wiac(['build', '--debug', directory]);
    expect(failed.exitCode).toBe(5);
    expect(failed.stderr.match(/^wiac: warning: no shell was opened.*$/gm)).toHaveLength(1);
    const before = await wiac(['build', '--debug=s3', directory]);
    expect(before).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('no terminal') });
    expect(await wiac(['build', '--watch', '--debug', directory])).toMatchObject({ exitCode: 2 });
  });

  test.each<[string, NodeJS.Signals]>([
    ['killed', 'SIGKILL'],
    ['on a terminal that is closed', 'SIGHUP'],
  ])('%s: wiac leaves no process, and no file', async (_how, signal) => {
    const { root, wiac } = machine();
    const directory = context({ Dockerfile: dockerfile('RUN exit 3') });
    const child = onTerminal(`build --debug --progress=plain ${directory}`, {
      env: { WIAC_ROOT: root },
    });
    await printed(child.stdout, PROMPT);
    const number = `98${String(process.pid).padStart(7, '0')}`;
    const ready = printed(child.stdout, 'rea-dy');
    child.stdin.write(`echo rea'-'dy; sleep ${number}\n`);
    await ready;
    const [wiacProcess] = processesWith(directory).filter((pid) =>
      readAbout(pid, 'cmdline').startsWith(process.execPath),
    );
    if (signal === 'SIGKILL') process.kill(Number(wiacProcess), signal);
    else child.kill('SIGKILL');
    await child;
    while (processesWith(number).length + processesWith(directory).length > 0)
      await new Promise((resume) => setTimeout(resume, 10));
    await wiac(['build', '-q', context({ Dockerfile: 'FROM scratch\nCOPY bin/busybox /\n' })]);
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });
});

describe('before a step', () => {
  const STEPS = dockerfile('RUN echo one > /one', 'RUN ls / > /list');

  test('0 lets the build go on without what was changed; another code stops it', async () => {
    const { root, build, wiac } = machine();
    const directory = context({ Dockerfile: STEPS });
    const where = { env: { WIAC_ROOT: root } };
    const words = `build --debug='RUN ls' --progress=plain ${directory}`;
    const stopped = await typed(words, { lines: [WAITING, 'exit 6'], ...where });
    expect(stopped.exitCode).toBe(5);
    expect(stopped.text).toContain(
      'the step was not run: the shell before it ended with exit code 6',
    );
    expect((await wiac(['plan', directory])).stdout).toMatch(/miss .*RUN ls/);
    const went = await typed(words, { lines: ['rm /one; touch /dirty; exit 0'], ...where });
    expect(went.exitCode).toBe(0);
    expect(went.text).toContain('RUN ls / > /list is about to run');
    const { lowerdirs } = await build(directory);
    const [top = ''] = lowerdirs.split(':');
    expect(readFileSync(join(top, 'list'), 'utf8').split('\n')).toEqual(
      expect.arrayContaining(['one']),
    );
    expect(readFileSync(join(top, 'list'), 'utf8')).not.toMatch(/dirty|wiac/);
    expect(readdirSync(top)).toEqual(['list']);
    const cached = await typed(words, { lines: [], ...where });
    expect(cached).toMatchObject({
      exitCode: 0,
      text: expect.stringContaining('the step is in the cache and was not run'),
    });
    const copy = await typed(`build --debug=COPY ${directory}`, { lines: [], ...where });
    expect(copy).toMatchObject({
      exitCode: 10,
      text: expect.stringContaining('no program runs in COPY'),
    });
  });
});

test('as an ordinary user', async () => {
  const made = getMachine('ordinary');
  const directory = context({ Dockerfile: FAILING.replace('--mount=type=secret,id=s', '') });
  chmodSync(directory, 0o755);
  const { exitCode, text } = await typed(`build --debug --progress=plain ${directory}`, {
    lines: [show('id -u; cat made /cache/x; ls /.wiac/before/bin/chmod'), 'exit 0'],
    env: made.env,
    as: made.command,
  });
  expect(exitCode).toBe(5);
  expect(shown(text)).toBe('0\nmade\nkept\n/.wiac/before/bin/chmod\n');
  expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
  const target = join(made.tmp, 'tree');
  for (const [words, stdout] of [
    [['shell', directory, 'WORKDIR', '--', 'pwd'], '/w'],
    [['diff', directory, 'WORKDIR'], 'A  -  /w'],
    [['export', directory, 'WORKDIR', '-o', target], ''],
  ] as const)
    expect(await wiacAs(made, words)).toEqual({ exitCode: 0, stdout, stderr: '' });
  expect(readdirSync(target)).toEqual(['bin', 'w']);
});
