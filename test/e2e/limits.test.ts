/** Control groups: limits of `wiac run` and of RUN steps are set, told, and leave nothing behind. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, printed, WIAC } from '../support/wiac.js';

const machine = warmMachines();

/** Groups of wiac in all hierarchies of this machine. */
function groups(directory = '/sys/fs/cgroup'): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    if (!entry.isDirectory()) return [];
    const path = join(directory, entry.name);
    // What is in one has any name, and may be deeper than a path.
    return entry.name.startsWith('wiac-') ? [path] : groups(path);
  });
}

/** Groups that a process of wiac made. */
function getGroups(pid: number | undefined): string[] {
  return groups().filter((path) => path.includes(`-${pid}-`));
}

/** The first of these files that a group has: they differ between the versions. */
function read(paths: readonly string[], ...files: string[]): string | undefined {
  for (const path of paths) {
    const file = readdirSync(path).find((name) => files.includes(name));
    if (file !== undefined) return readFileSync(join(path, file), 'utf8').trim();
  }
  return undefined;
}

/** An image whose `/eat` uses memory without end. */
async function prepare(): Promise<Machine> {
  const made = machine();
  const root = context({ Dockerfile: dockerfile('RUN ln -s busybox /bin/tail') });
  await made.build(root, '-t', 'app');
  return made;
}

const EAT = 'tail /dev/zero';

const children: { kill(signal: 'SIGKILL'): boolean }[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** A build, and which of its groups are left. Others build on this machine meanwhile. */
async function build({ root }: Machine, ...args: string[]) {
  const argv = [WIAC, 'build', ...args];
  const child = execa(process.execPath, argv, { env: { WIAC_ROOT: root }, reject: false });
  const { exitCode, stderr } = await child;
  return { exitCode, stderr, left: getGroups(child.pid) };
}

function start({ root }: Machine, ...args: string[]) {
  const child = execa(process.execPath, [WIAC, 'run', ...args], {
    env: { WIAC_ROOT: root },
    reject: false,
  });
  children.push(child);
  return child;
}

describe('wiac run', () => {
  test('the groups have the limits, the program is in them, and they go with it', async () => {
    const made = await prepare();
    const flags = ['-m', '64m', '--cpus', '0.5', '--pids-limit', '77', '--cpu-shares', '512'];
    const script = 'echo ready; read line';
    const child = start(made, ...flags, '--cpuset-cpus', '0', 'app', '/bin/sh', '-c', script);
    await printed(child.stdout, 'ready');
    const own = getGroups(child.pid);
    expect(read(own, 'memory.max', 'memory.limit_in_bytes')).toBe(String(64 << 20));
    expect(['50000 100000', '50000']).toContain(read(own, 'cpu.max', 'cpu.cfs_quota_us'));
    expect(['20', '512']).toContain(read(own, 'cpu.weight', 'cpu.shares'));
    expect(read(own, 'pids.max')).toBe('77');
    expect(read(own, 'cpuset.cpus')).toBe('0');
    // The shell alone: what started it is not limited.
    for (const path of own)
      expect(readFileSync(join(path, 'cgroup.procs'), 'utf8').trim().split('\n')).toHaveLength(1);
    child.stdin?.end('\n');
    expect((await child).exitCode).toBe(0);
    expect(getGroups(child.pid)).toEqual([]);
  });

  test('out of memory is named as such', async () => {
    const { wiac } = await prepare();
    const result = await wiac(['run', '--memory=32m', 'app', '/bin/sh', '-c', EAT]);
    expect(result).toMatchObject({ exitCode: 137, stdout: '' });
    expect(result.stderr).toContain(
      'out of memory: the kernel killed a process, because the limit of --memory (33554432 bytes)',
    );
  });

  test('--pids-limit', async () => {
    const { wiac } = await prepare();
    const script = 'for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait';
    const limited = await wiac(['run', '--pids-limit=4', 'app', '/bin/sh', '-c', script]);
    expect(limited.stderr).toContain("can't fork: Resource temporarily unavailable");
    expect(limited.stderr).toContain('the limit of processes and threads (4) was reached');
    const unlimited = await wiac(['run', '--pids-limit=-1', 'app', '/bin/sh', '-c', script]);
    expect(unlimited).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('the program sees its own group as the root', async () => {
    const { wiac } = await prepare();
    const { stdout } = await wiac(['run', '-m', '64m', 'app', '/bin/cat', '/proc/self/cgroup']);
    expect(stdout).not.toContain('wiac-');
  });

  // Where programs look for it: java takes a quarter of that for its heap.
  const LIMIT = `for file in $(find /sys/fs/cgroup/ -name memory.limit_in_bytes -o -name memory.max); do cat $file; done; touch $(dirname $file)/new`;

  test.each([[], ['--runtime=crun'], ['--runtime=runc']])(
    'the program sees its limits, and cannot change them %j',
    async (...runtime) => {
      const { wiac } = await prepare();
      const run = (...flags: string[]) =>
        wiac(['run', ...runtime, ...flags, 'app', '/bin/sh', '-c', LIMIT]);
      const { stdout, stderr } = await run('-m', '64m');
      expect(stdout.trim()).toBe(String(64 << 20));
      expect(stderr).toContain('Read-only file system');
      expect(await run()).toMatchObject({ stdout: '' });
    },
  );

  test('after kill -9 the next command sweeps them away, and no others', async () => {
    const made = await prepare();
    const killed = start(made, '-m', '64m', 'app', '/bin/sh', '-c', 'echo ready; exec sleep 60');
    const alive = start(made, '-m', '64m', 'app', '/bin/sh', '-c', 'echo ready; read line');
    await Promise.all([printed(killed.stdout, 'ready'), printed(alive.stdout, 'ready')]);
    expect(getGroups(killed.pid)).not.toEqual([]);
    const kept = getGroups(alive.pid);
    killed.kill('SIGKILL');
    await killed;
    // The kernel may take a moment to end the program.
    const [group = ''] = getGroups(killed.pid);
    while (group !== '' && readFileSync(join(group, 'cgroup.procs'), 'utf8') !== '')
      await new Promise((resume) => setTimeout(resume, 20));
    await made.wiac(['build', '-q', context({ Dockerfile: dockerfile() })]);
    expect(getGroups(killed.pid)).toEqual([]);
    expect(getGroups(alive.pid)).toEqual(kept);
    alive.stdin?.end('\n');
    expect((await alive).exitCode).toBe(0);
  });

  test.each([
    [['-m', '1m'], 'at least 6m'],
    [['-m', 'much'], 'write it like 64m'],
    [['--memory-swap', '1g'], 'give --memory as well'],
    [['-m', '1g', '--memory-swap', '64m'], 'at least --memory'],
    [['--cpus', '0.001'], 'this machine has'],
    [['--cpus', '10000'], 'this machine has'],
    [['--cpus', '1', '--cpu-quota', '5000'], 'in one'],
    [['--cpu-quota', '10'], 'at least 1000'],
    [['--cpu-shares', '1'], '2 to 262144'],
    [['--cpuset-cpus', '0-'], 'a list like'],
    [['--cpuset-cpus', '99999'], 'the kernel takes no 99999 for cpuset.cpus'],
    [['--pids-limit', 'x'], 'a number of processes'],
  ])('refused: %j', async (flags, message) => {
    const { wiac } = await prepare();
    const result = await wiac(['run', ...flags, 'app', '/bin/echo', 'ran']);
    expect(result).toMatchObject({ exitCode: 125, stdout: '' });
    expect(result.stderr).toContain(message);
  });

  test('a wrong limit, or another wrong option, is told before an image is pulled', async () => {
    const { wiac } = machine();
    for (const flags of [
      ['-m', 'much'],
      ['--cap-add', 'NO'],
    ]) {
      const { exitCode, stderr } = await wiac(['run', ...flags, '127.0.0.1:1/nobody/there']);
      expect({ exitCode, stderr }).toEqual({
        exitCode: 125,
        stderr: expect.not.stringContaining('no connection'),
      });
    }
  });

  test('where no group can be made a limit is an error, and all else works', async () => {
    const { root } = await prepare();
    const run = (flags: string) => {
      const command = `mount --bind -o ro /sys/fs/cgroup /sys/fs/cgroup; for d in /sys/fs/cgroup/*/; do mount -o remount,bind,ro $d 2> /dev/null; done; exec ${process.execPath} ${WIAC} run ${flags} app /bin/echo ran`;
      return execa('unshare', ['-m', 'sh', '-c', command], {
        env: { WIAC_ROOT: root },
        reject: false,
      });
    };
    const limited = await run('--memory=64m');
    expect(limited).toMatchObject({ exitCode: 125, stdout: '' });
    expect(limited.stderr).toContain('--memory: no control group can be made here (/');
    expect(limited.stderr).toContain('EROFS');
    expect(await run('')).toMatchObject({ exitCode: 0, stdout: 'ran' });
  });
});

describe('wiac build', () => {
  test('each RUN has the limits; out of memory is named; nothing is left', async () => {
    const root = context({
      Dockerfile: dockerfile('RUN ln -s busybox /bin/tail', `RUN ${EAT}`),
    });
    const flags = ['--memory=32m', '--pids-limit=50', '--cpus=1'];
    const result = await build(machine(), ...flags, root);
    expect(result.exitCode).toBe(5);
    expect(result.stderr).toContain('exit code 137; out of memory: the kernel killed a process');
    expect(result.left).toEqual([]);
  });

  test.each([
    ['whose shells wait for each other', 'b() { b | b; }; b', 200],
    ['that goes on in the background', 'b() { b | b & }; while b; do sleep 0.1; done', 200],
    ['that nobody minds', 'for i in 1 2 3 4 5 6 7 8 9; do (sleep 1 &) 2>/dev/null; done; true', 5],
  ])('a fork bomb %s ends as a failed step', async (_, script, limit) => {
    const root = context({ Dockerfile: dockerfile(`RUN ${script}`) });
    const result = await build(machine(), `--pids-limit=${limit}`, root);
    expect(result.exitCode).toBe(5);
    expect(result.stderr).toContain(`the limit of processes and threads (${limit}) was reached`);
    expect(result.stderr).toContain('--pids-limit=NUMBER');
    expect(result.left).toEqual([]);
  });

  test('steps have a limit of processes that nobody asked for; -1 takes it away', async () => {
    const made = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo ready; exec sleep 100') });
    const limits = async (...flags: string[]) => {
      const argv = [WIAC, 'build', '--progress=plain', ...flags, root];
      const child = execa(process.execPath, argv, {
        env: { WIAC_ROOT: made.root },
        reject: false,
      });
      await printed(child.stderr, '| ready');
      const found = read(getGroups(child.pid), 'pids.max');
      child.kill('SIGTERM');
      await child;
      expect(getGroups(child.pid)).toEqual([]);
      return found;
    };
    expect(Number(await limits())).toBeGreaterThanOrEqual(2048);
    expect(await limits('--pids-limit=-1')).toBe(undefined);
  });

  test('out of memory is named also where it is not for a limit of ours', async () => {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile('RUN ln -s busybox /bin/tail', `RUN exec ${EAT}`),
    });
    const all = '/sys/fs/cgroup';
    const v1 = existsSync(join(all, 'memory'));
    const group = join(v1 ? join(all, 'memory') : all, `test-${process.pid}`);
    mkdirSync(group);
    try {
      const [file, swap] = v1
        ? ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']
        : ['memory.max', 'memory.swap.max'];
      writeFileSync(join(group, file), String(600 << 20));
      if (existsSync(join(group, swap))) writeFileSync(join(group, swap), v1 ? '629145600' : '0');
      const command = `echo $$ > ${group}/cgroup.procs; exec "$@"`;
      const argv = ['-c', command, 'sh', process.execPath, WIAC, 'build', root];
      const result = await execa('sh', argv, { env: { WIAC_ROOT: made.root }, reject: false });
      expect(result.exitCode).toBe(5);
      expect(result.stderr).toContain('the kernel has ended a process, because memory ran out');
    } finally {
      rmdirSync(group);
    }
  });

  test('a program that may mount file systems changes no limit of other steps, and leaves no group', async () => {
    const mounted = '(mount -t cgroup -o pids none /m || mount -t cgroup2 none /m)';
    const change = `${mounted} && echo 2 > /m/pids.max && mkdir -p /m/a/b`;
    // Not UTF-8, and deeper than a path may be.
    const deep = `name=$(printf '%0240d\\377' 0); cd /m; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do mkdir "$name" && cd "$name"; done; true`;
    const root = context({
      Dockerfile: dockerfile(
        'RUN mkdir /m',
        `RUN ${change}`,
        `RUN ${mounted} && ${deep}`,
        'RUN true',
        'RUN for i in 1 2 3 4 5 6; do sleep 0.1 & done; wait',
      ),
    });
    const result = await build(machine(), '--cap-add=SYS_ADMIN', root);
    expect(result).toMatchObject({ exitCode: 0, left: [] });
  });

  test('limits are no part of a key, as with docker build', async () => {
    const { build } = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo x > /x') });
    await build(root);
    const { events } = await build(root, '-m', '64m', '--cpu-period=50000', '--cpu-quota=25000');
    expect(events.filter(({ type }) => type === 'started')).toEqual([]);
  });

  test('a limit that can mean nothing is told before anything is built', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: dockerfile('RUN echo x > /x') });
    const result = await wiac(['build', '--memory=1k', root]);
    expect(result).toMatchObject({ exitCode: 2, stdout: '' });
    expect(result.stderr).toContain('at least 6m');
  });
});
