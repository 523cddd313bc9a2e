/**
 * Containers that share a volume with a store: each process has a pid namespace of its own, in which
 * it has the same pid as the others. WIAC_STOP_SECONDS is for how long a process is stopped (20 s of
 * a real outage by default would only make the test slow).
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { descendants, readAbout } from '../support/process-facts.js';
import { context, dockerfile, machine, WIAC } from '../support/wiac.js';

const STOP_SECONDS = Number(process.env.WIAC_STOP_SECONDS ?? 3);

/** The command as the first process of a pid namespace. */
function inContainer(root: string, ...args: string[]) {
  return execa(
    'unshare',
    ['-pf', '--mount-proc', '--kill-child=SIGKILL', process.execPath, WIAC, ...args],
    {
      reject: false,
      all: true,
      timeout: 60_000,
      env: { WIAC_ROOT: root, WIAC_SYNC: 'none' },
    },
  );
}

/** Lines that the steps left in the cache mount `log`. */
function logged(root: string): string[] {
  const mounts = join(root, 'mounts');
  return readdirSync(mounts).flatMap((name) =>
    readFileSync(join(mounts, name, 'log'), 'utf8')
      .split('\n')
      .filter(Boolean),
  );
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(20)) {
    try {
      if (condition()) return;
    } catch {
      // What it looks at is not there yet.
    }
  }
  throw new Error('it never came to that');
}

/** A step that says that it runs, and goes on when the file `go` is in the cache mount. */
function waitingStep(name: string): string {
  return `RUN --mount=type=cache,id=log,target=/c echo ${name} >> /c/log && until [ -e /c/go ]; do sleep 0.1; done; echo ${name} > /made`;
}

async function letGo(root: string): Promise<void> {
  const [mount = ''] = readdirSync(join(root, 'mounts'));
  await execa('touch', [join(root, 'mounts', mount, 'go')]);
}

async function expectClean(made: ReturnType<typeof machine>): Promise<void> {
  await made.wiac(['cache', 'prune', '--keep-bytes=1G']);
  const { stdout, exitCode } = await made.wiac(['cache', 'verify']);
  expect({ stdout, exitCode }).toEqual({ stdout: expect.stringMatching(/^checked /), exitCode: 0 });
}

/** Those of them that are wiac. */
function wiacProcesses(of: number | undefined): number[] {
  return descendants(of ?? 0).filter((pid) => readAbout(pid, 'cmdline').includes('wiac.cjs'));
}

/** epoll_wait and epoll_pwait of x64, epoll_pwait of arm64: where a main thread waits that has nothing to do. */
const WAITING = new Set(['232', '281', '22']);

/** Does the main thread of a stopped process stand where it waits for something to happen? */
function isIdle(pid: number): boolean {
  return WAITING.has(readAbout(pid, 'syscall').split(' ')[0] ?? '');
}

/**
 * Stops wiac while it is idle. Who stops it within a transaction stops all who want one, which is as
 * it must be (lmdb's mutex), and not what is tested here.
 */
async function stop(build: number | undefined): Promise<number[]> {
  for (;;) {
    const pids = wiacProcesses(build);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    // The first one is unshare(1), which waits for the others.
    await sleep(100);
    if (pids.slice(1).every(isIdle)) return pids;
    for (const pid of pids) process.kill(pid, 'SIGCONT');
    await sleep(100);
  }
}

/** Has the process the reading end of a FIFO open that says that somebody lives? */
function holdsFifo(pid: number): boolean {
  const directory = `/proc/${pid}/fd`;
  // Each may be gone by now, and the process as well.
  const tryTo = <T>(read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch {
      return otherwise;
    }
  };
  return tryTo(() => readdirSync(directory), []).some((number) =>
    tryTo(() => readlinkSync(join(directory, number)), '').includes('/live/'),
  );
}

test('a step that two containers want runs once, and the second waits for the first', async () => {
  const made = machine();
  const path = context({ Dockerfile: dockerfile(waitingStep('once')) });
  const first = inContainer(made.root, 'build', path);
  await until(() => logged(made.root).length === 1);
  const second = inContainer(made.root, 'build', path);
  await sleep(1500);
  expect(logged(made.root)).toEqual(['once']);
  await letGo(made.root);
  const results = await Promise.all([first, second]);
  expect(results.map(({ exitCode, all }) => [exitCode, exitCode === 0 ? '' : all])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  expect(results[1]?.stdout).toBe(results[0]?.stdout);
  expect(logged(made.root)).toEqual(['once']);
  await expectClean(made);
});

test.each(['running', 'stopped'])(
  'prune in another container leaves a %s build alone',
  async (state) => {
    const made = machine();
    const path = context({
      Dockerfile: dockerfile(
        'RUN echo below > /below',
        waitingStep('kept'),
        'RUN cat /below /made',
      ),
    });
    const build = inContainer(made.root, 'build', path);
    await until(() => logged(made.root).length === 1);
    const stopped = state === 'stopped' ? await stop(build.pid) : [];
    if (state === 'stopped') await sleep(STOP_SECONDS * 1000);
    for (const flags of [['--all'], ['--keep-bytes=0']]) {
      const pruned = await inContainer(made.root, 'cache', 'prune', ...flags);
      expect({ code: pruned.exitCode, all: pruned.exitCode === 0 ? '' : pruned.all }).toEqual({
        code: 0,
        all: '',
      });
    }
    // Nor does anybody take its step from it.
    const other = inContainer(made.root, 'build', path);
    await sleep(1500);
    expect(logged(made.root)).toEqual(['kept']);
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
    await letGo(made.root);
    const results = await Promise.all([build, other]);
    expect(results.map(({ exitCode, all }) => [exitCode, exitCode === 0 ? '' : all])).toEqual([
      [0, ''],
      [0, ''],
    ]);
    expect(logged(made.root)).toEqual(['kept']);
    await expectClean(made);
  },
);

test('a process that was killed is dead for all, and nothing that it started keeps it alive', async () => {
  const made = machine();
  const path = context({ Dockerfile: dockerfile(waitingStep('killed')) });
  const build = inContainer(made.root, 'build', path);
  await until(() => logged(made.root).length === 1);
  const outside = execa(process.execPath, [WIAC, 'build', path], {
    reject: false,
    env: { WIAC_ROOT: made.root, WIAC_SYNC: 'none' },
  });
  await sleep(500);
  expect(logged(made.root)).toEqual(['killed']);
  // The one that only started another, with a pid that is free, is none of the store's processes.
  const holders = descendants(build.pid ?? 0).filter(holdsFifo);
  expect(holders).toHaveLength(1);
  expect(wiacProcesses(build.pid)).toEqual(expect.arrayContaining(holders));
  for (const pid of wiacProcesses(build.pid)) process.kill(pid, 'SIGKILL');
  await until(() => logged(made.root).length === 2);
  await letGo(made.root);
  expect((await outside).exitCode).toBe(0);
  await build;
  await expectClean(made);
});
