/** What is left when a build does not end as planned: nothing that runs, mounts, or misleads. */
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { notStuck } from '../support/not-stuck.js';
import {
  context,
  dockerfile,
  machine,
  mountsBelow,
  printed,
  processesWith,
  ranSteps,
  tempDir,
  WIAC,
} from '../support/wiac.js';

/** Sleeping for a number of seconds that no other process has, so that it can be found. */
const SLEEP = `sleep ${2_000_000 + process.pid}`;

function sleeping(): string[] {
  return processesWith(SLEEP.replace(' ', '\0'));
}

function startBuild(store: string, root: string, ...flags: string[]) {
  return execa(process.execPath, [WIAC, 'build', '--progress=plain', ...flags, root], {
    env: { WIAC_ROOT: store },
    reject: false,
  });
}

describe('a signal in the middle of a step', () => {
  test.each([
    ['SIGTERM', 143, 'namespaces'],
    ['SIGHUP', 129, 'namespaces'],
    ['SIGINT', 130, 'chroot'],
    ['SIGTERM', 143, 'chroot'],
  ] as const)('%s: exit code %d (--isolation=%s)', async (signal, code, isolation) => {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile(
        'RUN echo before > /before',
        `RUN trap "" INT TERM HUP; ${SLEEP} & echo ready; ${SLEEP}`,
      ),
    });
    const child = startBuild(made.root, root, `--isolation=${isolation}`);
    await printed(child.stderr, '| ready');
    child.kill(signal);
    const { exitCode, stdout } = await child;
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: '' });
    expect(sleeping()).toEqual([]);
    expect(mountsBelow(made.root)).toEqual([]);
    expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
    writeFileSync(
      join(root, 'Dockerfile'),
      dockerfile('RUN echo before > /before', 'RUN echo after'),
    );
    expect(ranSteps((await made.build(root)).events)).toEqual(['RUN echo after']);
  });

  test('two steps at the same time are both ended', async () => {
    const made = machine();
    const root = context({
      Dockerfile: `FROM scratch AS base
COPY bin /bin
FROM base AS a
RUN echo ready-a; ${SLEEP}
FROM base AS b
RUN echo ready-b; ${SLEEP}
FROM base
COPY --from=a /x /x
COPY --from=b /x /y
`,
    });
    const child = startBuild(made.root, root, '--jobs=2');
    await Promise.all([printed(child.stderr, '| ready-a'), printed(child.stderr, '| ready-b')]);
    while (sleeping().length < 2) await new Promise((resume) => setTimeout(resume, 20));
    child.kill('SIGINT');
    expect((await child).exitCode).toBe(130);
    expect(sleeping()).toEqual([]);
    expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
  });

  test('while another build waits for the same step: that one carries it out', async () => {
    const made = machine();
    const shared = tempDir();
    const root = context({
      Dockerfile: dockerfile(
        'RUN --mount=type=cache,target=/c test -e /c/second || { touch /c/second; echo ready; sleep 60; }; echo made > /made',
      ),
    });
    const first = startBuild(made.root, root);
    await printed(first.stderr, '| ready');
    const second = startBuild(made.root, root, '--iidfile', join(shared, 'iid'));
    await printed(second.stderr, `waits for process ${first.pid}`);
    first.kill('SIGINT');
    expect((await first).exitCode).toBe(130);
    const { exitCode, stdout } = await second;
    expect(exitCode).toBe(0);
    expect(readdirSync(stdout.split(':')[0] ?? '')).toEqual(['made']);
  });
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resume) => setTimeout(resume, 20));
}

function namesBelow(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory, { recursive: true }).map(String) : [];
}

/** Has somebody written to it? Takes the first byte. */
function hasByte(pipe: number): boolean {
  try {
    return readSync(pipe, Buffer.alloc(1)) > 0;
  } catch {
    return false;
  }
}

describe('a pipe whose other end never comes', () => {
  const READS = dockerfile('RUN --mount=type=secret,id=s cat /run/secrets/s');

  const makePipe = async () => {
    const pipe = join(tempDir(), 'pipe');
    await execa('mkfifo', [pipe]);
    return pipe;
  };
  const expectStopped = async (child: ReturnType<typeof startBuild>) => {
    child.kill('SIGTERM');
    const { exitCode, stderr } = await notStuck(child);
    expect(stderr).toMatch(/wiac: stopped by SIGTERM$/);
    expect(exitCode).toBe(143);
  };

  test('a signal ends a build whose context it is', async () => {
    const made = machine();
    const child = startBuild(made.root, await makePipe());
    await until(() => namesBelow(join(made.root, 'tmp')).some((path) => /context-1$/.test(path)));
    await expectStopped(child);
  });

  test('a signal ends a build that waits for a secret', async () => {
    const root = context({ Dockerfile: READS });
    const child = startBuild(machine().root, root, '--secret', `id=s,src=${await makePipe()}`);
    await printed(child.stderr, '3/3] miss');
    await expectStopped(child);
  });

  test('a signal ends a build whose output nobody reads to its end', async () => {
    const pipe = await makePipe();
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const root = context({ Dockerfile: dockerfile() });
      const child = startBuild(machine().root, root, '-o', `type=tar,dest=${pipe}`);
      await until(() => hasByte(reader));
      await expectStopped(child);
    } finally {
      closeSync(reader);
    }
  });

  test('another step that fails ends the wait for a secret', async () => {
    const made = machine();
    const pipe = await makePipe();
    const root = context({
      Dockerfile: `${READS}FROM scratch AS other
COPY bin /bin
RUN sleep 1; exit 7
FROM scratch
COPY --from=0 /x /x
COPY --from=other /x /y
`,
    });
    const child = startBuild(made.root, root, '--jobs=2', '--secret', `id=s,src=${pipe}`);
    expect((await notStuck(child)).stderr).toMatch(/the step ended with exit code 7$/m);
  });
});

test('an answer that never comes, with nothing left to wait for, is no success', async () => {
  const preload = join(tempDir(), 'preload.cjs');
  const deaf = `
    const children = require('node:child_process');
    const { EventEmitter } = require('node:events');
    children.spawn = () => Object.assign(new EventEmitter(), { stdio: [], ref() {}, unref() {} });
    require('node:module').syncBuiltinESMExports();`;
  writeFileSync(preload, deaf);
  const { exitCode, stderr } = await execa(
    process.execPath,
    [WIAC, 'build', context({ Dockerfile: dockerfile() })],
    {
      env: { WIAC_ROOT: join(tempDir(), 'store'), NODE_OPTIONS: `--require ${preload}` },
      reject: false,
    },
  );
  expect(stderr).toMatch(/^wiac: internal error: it waits for something/m);
  expect(exitCode).toBe(1);
});

describe('processes that a step leaves in the background', () => {
  test.each(['namespaces', 'chroot'])('end with the step (--isolation=%s)', async (isolation) => {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile(`RUN ${SLEEP} > /dev/null 2>&1 & sleep 1; echo done`),
    });
    try {
      await made.build(root, `--isolation=${isolation}`);
      expect(sleeping()).toEqual([]);
    } finally {
      for (const pid of sleeping()) process.kill(Number(pid), 'SIGKILL');
    }
  });
});

describe('no space left', () => {
  /** A file system of its own for the store: a small one at first, then a larger one. */
  async function withSmallDisk(
    size: string,
    action: (store: string, grow: () => Promise<unknown>) => Promise<void>,
  ): Promise<void> {
    const disk = tempDir();
    await execa('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]);
    try {
      await action(join(disk, 'store'), () => execa('mount', ['-o', 'remount,size=64m', disk]));
    } finally {
      await execa('umount', [disk]);
    }
  }

  test.each(['100k', '300k', '1m', '1500k'])(
    'while a layer is made or entered into the index, in %s',
    async (size) => {
      const { wiac } = machine();
      const root = context({ Dockerfile: dockerfile('RUN echo x > /x') });
      await withSmallDisk(size, async (store, grow) => {
        const env = { WIAC_ROOT: store };
        const full = await wiac(['build', '-q', root], { env });
        expect(full.stderr).toMatch(/^wiac: .*no space left/);
        expect(full.stderr).not.toContain('    at ');
        expect({ exitCode: full.exitCode, stdout: full.stdout }).toEqual({
          exitCode: 6,
          stdout: '',
        });
        await grow();
        expect((await wiac(['build', '-q', root], { env })).exitCode).toBe(0);
        expect(readdirSync(join(store, 'tmp'))).toEqual([]);
      });
    },
  );

  test('a program that fills the disk fails as a step; nothing of it stays', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: dockerfile() });
    await withSmallDisk('8m', async (store, grow) => {
      const env = { WIAC_ROOT: store };
      // While a step runs, the one before it may still be published, and would meet the full disk first.
      expect((await wiac(['build', '-q', root], { env })).exitCode).toBe(0);
      const filling = dockerfile('RUN head -c 20000000 /dev/zero > /big');
      writeFileSync(join(root, 'Dockerfile'), filling);
      const full = await wiac(['build', '-q', root], { env });
      expect(full.exitCode).toBe(5);
      expect(full.stderr).toContain(`${root}/Dockerfile:3:`);
      expect(readdirSync(join(store, 'tmp'))).toEqual([]);
      await grow();
      expect((await wiac(['build', '-q', root], { env })).exitCode).toBe(0);
    });
  });
});

describe('a store that cannot be used: exit code 7', () => {
  test('its place is a file', async () => {
    const store = join(tempDir(), 'file');
    writeFileSync(store, '');
    const root = context({ Dockerfile: dockerfile() });
    const { exitCode, stderr } = await machine().wiac(['build', root], {
      env: { WIAC_ROOT: store },
    });
    expect(exitCode).toBe(7);
    expect(stderr).toContain(store);
  });

  test.each(['not a number\n', '', '1.5\n', '-1\n'])(
    'its format version is %j',
    async (version) => {
      const made = machine();
      mkdirSync(made.root);
      writeFileSync(join(made.root, 'format-version'), version);
      const { exitCode, stderr } = await made.wiac([
        'build',
        context({ Dockerfile: dockerfile() }),
      ]);
      expect(exitCode).toBe(7);
      expect(stderr).toContain(made.root);
      expect(readdirSync(made.root)).toEqual(['format-version']);
    },
  );

  test('cache commands refuse a newer format as build does', async () => {
    const made = machine();
    mkdirSync(made.root);
    writeFileSync(join(made.root, 'format-version'), '99\n');
    for (const args of [['ls'], ['du'], ['show', 'abc'], ['rm', 'abc']])
      expect(await made.wiac(['cache', ...args])).toMatchObject({ exitCode: 7 });
  });
});
