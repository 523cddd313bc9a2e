/** --runtime: an OCI runtime makes the same container. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { getMachine, stepOutput } from '../support/rootless.js';
import { context, dockerfile, getOutput, machine, tempDir } from '../support/wiac.js';

const RUNC = '--runtime=runc';
/** What a program sees of its rights and of its container. */
const LOOK = [
  "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status | sort",
  'id',
  'umask',
  'hostname',
  'cat /etc/hosts',
  'ls /dev | grep -v -E "core|console"',
  'for f in /proc/keys /proc/timer_list /sys/firmware; do head -c 1 $f 2>&1 | wc -c; done',
  'touch /proc/sys/kernel/hostname 2>&1 || echo refused',
  'unshare -U true 2>&1 || echo refused',
  'mount -t tmpfs x /mnt 2>&1 || echo refused',
  'ulimit -n',
].join('; ');

test.each(['runc', 'crun'])(
  'with %s a program has the same rights and surroundings as in the container that wiac makes',
  async (name) => {
    const runtime = `--runtime=${name}`;
    const made = machine();
    const { lowerdirs } = await made.build(context({ Dockerfile: dockerfile('RUN mkdir /mnt') }));
    const look = async (...flags: string[]) => {
      const shell = ['/bin/sh', '-c', LOOK];
      const args = ['run', ...flags, '--hostname=box', '--ulimit=nofile=100:200'];
      const ran = await made.wiac([...args, lowerdirs, tempDir(), ...shell]);
      return { ...ran, lines: ran.stdout.split('\n') };
    };
    const [own, other] = [await look(), await look(runtime)];
    expect(other.stderr).toBe('');
    expect(other.lines).toEqual(own.lines);
    expect((await look(runtime, '--user=7:8')).stdout).toContain('uid=7 gid=8');
    const dropped = ['--cap-drop=ALL', '--security-opt=no-new-privileges'];
    expect((await look(runtime, ...dropped)).lines.slice(0, 7)).toEqual(
      (await look(...dropped)).lines.slice(0, 7),
    );
  },
);

test.each(['runc', 'crun'])(
  'with %s it is in the control groups that have its limits',
  async (name) => {
    const made = machine();
    const grow = 'x=a; while true; do x=$x$x$x; done';
    const root = context({ Dockerfile: dockerfile(`RUN ${grow}`) });
    const failed = await made.wiac(['build', `--runtime=${name}`, '--memory=64m', root]);
    expect(failed.exitCode).toBe(5);
    expect(failed.stderr).toContain('the limit of --memory (67108864 bytes) was reached');
  },
);

test.each(['runc', 'crun'])('with %s an ordinary user has the same sandbox', async (name) => {
  const look = 'RUN id -u && grep -E "^(CapEff|Seccomp):" /proc/self/status';
  const root = context({ Dockerfile: dockerfile(look) });
  chmodSync(root, 0o755);
  const own = await stepOutput(getMachine('ordinary'), root, []);
  expect(own).toEqual(['0', expect.stringMatching(/^CapEff/), expect.stringMatching(/2$/)]);
  expect(await stepOutput(getMachine('ordinary'), root, [`--runtime=${name}`])).toEqual(own);
});

/** Commands, and how they end. */
const ENDS: readonly (readonly [flags: string, script: string, code: number, output: string])[] = [
  ['', "sh -c 'kill -9 $$'; exit $?", 137, ''],
  [
    '-t',
    'tty; (: < /dev/tty) && echo controls; test -t 1; exit 3',
    3,
    '/dev/pts/0\r\ncontrols\r\n',
  ],
  [
    '--tmpfs=/b:mode=1750 --tmpfs=/a',
    'stat -c %a /a /b; grep -o " /a [a-z]* [a-z,]*" /proc/mounts',
    0,
    '1777\n1750\n /a tmpfs rw,nosuid,nodev,noexec,relatime\n',
  ],
  [
    '--pids-limit=50',
    'i=0; while test $i -lt 99; do sleep 1 & i=$((i + 1)); done 2>&1 | head -n 1',
    0,
    "can't fork",
  ],
  ['--network=none', 'ls /sys/class/net', 0, 'lo\n'],
  ['--shm-size=1m', 'df -k /dev/shm | grep -o "  *1024 "', 0, '1024'],
];

test.each(['runc', 'crun'])(
  'with %s its program ends as in the container that wiac makes',
  async (name) => {
    const made = machine();
    const file = 'RUN ln -s busybox /bin/df && echo > /file && mkdir /a /b';
    await made.build(context({ Dockerfile: dockerfile(file) }), '-t', 'app');
    for (const runtime of ['', `--runtime=${name}`]) {
      const run = (flags: string, ...argv: string[]) => {
        const options = `${runtime} ${flags}`.split(' ').filter((word) => word !== '');
        return made.wiac(['run', ...options, 'app', ...argv]);
      };
      for (const [flags, script, exitCode, output] of ENDS) {
        const ended = await run(flags, '/bin/sh', '-c', script);
        expect(ended).toMatchObject({ exitCode, stdout: expect.stringContaining(output) });
      }
      for (const [program, exitCode] of [
        ['/nowhere', 127],
        ['nowhere', 127],
        ['/file', 126],
      ] as const)
        expect((await run('', program)).exitCode).toBe(exitCode);
    }
  },
);

test('what it writes is in the layer, its exit code is that of wiac', async () => {
  const made = machine();
  const { lowerdirs } = await made.build(context({ Dockerfile: dockerfile() }));
  const layer = tempDir();
  const shell = ['/bin/sh', '-c', 'echo text > /file; exit 7'];
  expect((await made.wiac(['run', RUNC, lowerdirs, layer, ...shell])).exitCode).toBe(7);
  expect(readFileSync(join(layer, 'diff/file'), 'utf8')).toBe('text\n');
  const readOnly = await made.wiac(['run', RUNC, '--read-only', lowerdirs, tempDir(), ...shell]);
  expect(readOnly.stderr).toMatch(/read-only/i);
});

test('steps have their mounts, users, scripts and networks', async () => {
  const made = machine();
  const root = context({
    shown: 'of the context',
    Dockerfile: dockerfile(
      'WORKDIR /work',
      'RUN --mount=type=bind,target=/bound,rw --mount=type=tmpfs,target=/t --mount=type=cache,target=/c --mount=type=secret,id=s cat /bound/shown /run/secrets/s && touch /t/x /c/x /bound/x && pwd',
      'USER 5:6',
      'RUN <<EOF',
      'id -u',
      'EOF',
      'USER 0',
      'RUN --network=none ls /sys/class/net',
    ),
  });
  writeFileSync(join(root, 'secret'), 'hidden');
  const flags = [RUNC, `--secret=id=s,src=${join(root, 'secret')}`];
  const { events, lowerdirs } = await made.build(root, ...flags);
  expect(getOutput(events)).toEqual(['of the contexthidden/work', '5', 'lo']);
  // The same files, which is why the runtime is in no key.
  expect((await made.build(root, ...flags.slice(1))).lowerdirs).toBe(lowerdirs);
});

test('a runtime that is not there, and one where only the root is another, are refused', async () => {
  const made = machine();
  const root = context({ Dockerfile: dockerfile('RUN true') });
  const missing = await made.wiac(['build', '--runtime=nosuch-runtime', root]);
  expect(missing).toMatchObject({ exitCode: 8 });
  expect(missing.stderr).toContain('--runtime: there is no program nosuch-runtime');
  const both = await made.wiac(['build', RUNC, '--isolation=chroot', root]);
  expect(both).toMatchObject({ exitCode: 2 });
});
