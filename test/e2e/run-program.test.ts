/** `wiac run` and the program it runs: how it ends, what it is sent, what it may do. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, printed, processesWith, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

async function shellImage(): Promise<Machine> {
  const made = machine();
  await made.build(context({ Dockerfile: dockerfile() }), '-t', 'app');
  return made;
}

/** `wiac run` of a shell script in the background. */
function start(root: string, script: string, ...flags: string[]) {
  const argv = [WIAC, 'run', ...flags, 'app', '/bin/sh', '-c', script];
  return execa(process.execPath, argv, { env: { WIAC_ROOT: root }, reject: false });
}

/** Sleeping for a number of seconds that no other process has, so that it can be found. */
function longSleep(): string {
  return `sleep ${1_000_000 + process.pid}`;
}

/** Numbers of the processes that are sleeping so. */
function sleeping(): string[] {
  return processesWith(`${longSleep().replace(' ', '\0')}\0`);
}

describe('how it ended', () => {
  test.each([0, 1, 42, 255])('exit code %d', async (code) => {
    const { wiac } = await shellImage();
    const { exitCode } = await wiac(['run', 'app', '/bin/sh', '-c', `exit ${code}`]);
    expect(exitCode).toBe(code);
  });

  test.each([
    ['TERM', 143],
    ['KILL', 137],
    ['SEGV', 139],
  ])('SIG%s is 128 and the number of the signal', async (signal, expected) => {
    const { wiac } = await shellImage();
    // Process 1 of a pid namespace can send itself no signal that ends it: here it is another one.
    const { exitCode } = await wiac([
      'run',
      '--isolation=chroot',
      'app',
      '/bin/sh',
      '-c',
      `kill -${signal} $$`,
    ]);
    expect(exitCode).toBe(expected);
  });

  test('SIGKILL from outside of its pid namespace', async () => {
    const { root } = await shellImage();
    const child = start(root, `echo ready; exec ${longSleep()}`);
    await printed(child.stdout, 'ready');
    while (sleeping().length === 0) await new Promise((resume) => setTimeout(resume, 20));
    for (const pid of sleeping()) process.kill(Number(pid), 'SIGKILL');
    expect((await child).exitCode).toBe(137);
  });

  test.each(['namespaces', 'chroot'])(
    'processes it left in the background end with it (--isolation=%s)',
    async (isolation) => {
      const { wiac } = await shellImage();
      const script = `${longSleep()} > /dev/null 2>&1 & sleep 1`;
      try {
        const { exitCode } = await wiac([
          'run',
          `--isolation=${isolation}`,
          'app',
          '/bin/sh',
          '-c',
          script,
        ]);
        expect({ exitCode, left: sleeping() }).toEqual({ exitCode: 0, left: [] });
      } finally {
        for (const pid of sleeping()) process.kill(Number(pid), 'SIGKILL');
      }
    },
  );
});

describe('signals', () => {
  test.each(['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT'] as const)(
    '%s is passed on',
    async (signal) => {
      const { root } = await shellImage();
      const script = `trap 'echo got ${signal}; exit 9' ${signal.slice(3)}; echo ready; while true; do sleep 0.1; done`;
      const child = start(root, script);
      await printed(child.stdout, 'ready');
      child.kill(signal);
      expect(await child).toMatchObject({ exitCode: 9, stdout: `ready\ngot ${signal}` });
    },
  );

  test('with --isolation=chroot as well', async () => {
    const { root } = await shellImage();
    const script = 'trap "echo got it; exit 9" TERM; echo ready; while true; do sleep 0.1; done';
    const child = start(root, script, '--isolation=chroot');
    await printed(child.stdout, 'ready');
    child.kill('SIGTERM');
    expect(await child).toMatchObject({ exitCode: 9, stdout: 'ready\ngot it' });
  });

  test('a program that signals its own process group does not reach whoever called wiac', async () => {
    const { root } = await shellImage();
    const command = `${process.execPath} ${WIAC} run app /bin/sh -c 'trap : TERM; kill -TERM 0; exit 5'`;
    // A group of its own for the caller: the test itself must outlive what may go wrong here.
    const { stdout } = await execa('sh', ['-c', `${command}; echo still here`], {
      env: { WIAC_ROOT: root },
      detached: true,
      reject: false,
    });
    expect(stdout).toBe('still here');
  });

  test('Ctrl-C on a terminal reaches the program once', async () => {
    const { wiac, root } = machine();
    const cwd = tempDir();
    // Perl counts every delivery; a shell would make one of two that come close together.
    await wiac(['copy', '--libs', './layer', '/usr/bin/perl', '/usr/bin/perl'], { cwd });
    writeFileSync(
      join(cwd, 'layer/diff/count.pl'),
      '$| = 1; $SIG{INT} = sub { $n++ }; print "ready\\n"; select(undef, undef, undef, 0.1) for 1 .. 30; print "interrupts $n\\n";',
    );
    // exec: a shell that stays in between gets the interrupt too, and dash then ends with 130.
    const command = `exec ${process.execPath} ${WIAC} run ./layer/diff ./upper /usr/bin/perl /count.pl`;
    const child = execa('script', ['-qec', command, '/dev/null'], {
      cwd,
      env: { WIAC_ROOT: root },
      stdin: 'pipe',
    });
    await printed(child.stdout, 'ready');
    child.stdin.write('\x03');
    await printed(child.stdout, 'interrupts');
    child.stdin.end();
    expect((await child).stdout).toContain('interrupts 1');
  });
});

describe('streams', () => {
  test('bytes pass through unchanged, in and out', async () => {
    const { root } = await shellImage();
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 256));
    const { stdout } = await execa(process.execPath, [WIAC, 'run', 'app', '/bin/cat'], {
      env: { WIAC_ROOT: root },
      input: bytes,
      encoding: 'buffer',
    });
    expect(Buffer.from(stdout).equals(bytes)).toBe(true);
  });

  test('output and error output stay apart', async () => {
    const { wiac } = await shellImage();
    const result = await wiac(['run', 'app', '/bin/sh', '-c', 'echo out; echo err >&2']);
    expect(result).toEqual({ exitCode: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  test('the program sees the size of the terminal', async () => {
    const { root } = await shellImage();
    const command = `stty rows 33 cols 77; ${process.execPath} ${WIAC} run app /bin/busybox stty size`;
    const { stdout } = await execa('script', ['-qec', command, '/dev/null'], {
      env: { WIAC_ROOT: root },
    });
    expect(stdout).toContain('33 77');
  });
});

describe('what it may do and see', () => {
  test("Docker's default capabilities, none of them inheritable", async () => {
    const { wiac } = await shellImage();
    const { stdout } = await wiac(['run', 'app', '/bin/grep', 'Cap', '/proc/self/status']);
    const sets = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(':\t')),
    );
    const docker = '00000000a80425fb';
    const none = '0000000000000000';
    expect(sets).toEqual({
      CapInh: none,
      CapPrm: docker,
      CapEff: docker,
      CapBnd: docker,
      CapAmb: none,
    });
  });

  test('another user has none', async () => {
    const { wiac } = await shellImage();
    const { stdout } = await wiac([
      'run',
      '-u',
      '1000:1000',
      'app',
      '/bin/grep',
      'CapEff',
      '/proc/self/status',
    ]);
    expect(stdout).toBe('CapEff:\t0000000000000000\n');
  });

  test('no process of this machine, unless --isolation=chroot shares them', async () => {
    const { wiac } = await shellImage();
    // Our own process number means nothing, or somebody else, in a pid namespace of its own.
    const look = ['app', '/bin/sh', '-c', `ls /proc/${process.pid}/cwd/ 2> /dev/null || true`];
    expect((await wiac(['run', ...look])).stdout).toBe('');
    expect((await wiac(['run', '--isolation=chroot', ...look])).stdout).toContain('package.json');
  });

  test('this machine cannot be written to through /proc/sys and /sys', async () => {
    const { wiac } = await shellImage();
    const script =
      'for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/uevent_seqnum; do test -e $f && (echo x > $f) 2> /dev/null && echo wrote $f; done; true';
    const { stdout, exitCode } = await wiac(['run', 'app', '/bin/sh', '-c', script]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
  });

  test('its own host name and /etc/hosts; what it writes to them stays inside', async () => {
    const { wiac } = await shellImage();
    const before = (await execa('cat', ['/etc/hosts'])).stdout;
    const { stdout } = await wiac([
      'run',
      'app',
      '/bin/sh',
      '-c',
      'grep -c localhost /etc/hosts && echo "1.2.3.4 x" >> /etc/hosts',
    ]);
    expect(Number(stdout)).toBeGreaterThan(0);
    expect((await execa('cat', ['/etc/hosts'])).stdout).toBe(before);
  });

  test('-e NAME takes the value of this environment, nothing else of it gets in', async () => {
    const { wiac } = await shellImage();
    const { stdout } = await wiac(['run', '-e', 'TAKEN', 'app', '/bin/env'], {
      env: { TAKEN: 'yes', LEFT: 'no' },
    });
    const names = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0])
      .sort();
    expect(names).toEqual(['HOME', 'HOSTNAME', 'PATH', 'TAKEN']);
  });
});

test("only the program's files are in the container layer, none of the mount points", async () => {
  const { wiac } = machine();
  const cwd = tempDir();
  await wiac(['copy', './layer', '/bin/busybox', '/bin/sh'], { cwd });
  const { exitCode } = await wiac(
    [
      'run',
      './layer/diff',
      './upper',
      '/bin/sh',
      '-c',
      'echo x > /x; echo "1.2.3.4 y" >> /etc/hosts',
    ],
    { cwd },
  );
  expect(exitCode).toBe(0);
  expect(readdirSync(join(cwd, 'upper/diff'))).toEqual(['x']);
  expect(readdirSync(cwd).sort()).toEqual(['layer', 'upper']);
});
