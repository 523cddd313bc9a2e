/** What a step or a program could inherit from whoever called wiac, and what it has instead. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { perlContext, SYSCALLS } from '../support/perl-image.js';
import { getMachine, MODES, stepOutput, wiacAs } from '../support/rootless.js';
import { context, dockerfile, printed, processesWith, WIAC } from '../support/wiac.js';

/** Makes a session keyring with a key in it, and runs a program with it. */
const WITH_KEY = `
my ($key, $description, $payload) = ("user", "wiac-test", "secret");
syscall(${SYSCALLS.keyctl}, 1, 0, 0, 0, 0) != -1 or die $!;
syscall(${SYSCALLS.add_key}, $key, $description, $payload, 6, -3) != -1 or die $!;
exec @ARGV;`;

/** Looks for that key. */
const FIND_KEY = `my ($key, $description) = ("user", "wiac-test");
print syscall(${SYSCALLS.keyctl}, 10, -3, $key, $description, 0) == -1 ? "no: $!" : "found", "\\n";
`;

/** With what name and address a program finds itself. */
const FIND_SELF = `open my $file, "<", "/proc/sys/kernel/hostname"; chomp(my $name = <$file>);
my $address = gethostbyname $name;
print $address ? join(".", unpack "C4", $address) : "unknown", "\\n";
`;

const pause = () => new Promise((resume) => setTimeout(resume, 50));

describe.each(MODES)('$user, $flag', ({ user, isolation, flag }) => {
  const flags = [flag];
  const docker = '00000000a80425fb';
  const none = '0000000000000000';

  test('inheritable and ambient capabilities of the caller are not handed on', async () => {
    const made = getMachine(
      user,
      '--inh-caps=+sys_admin,+net_admin',
      '--ambient-caps=+sys_admin,+net_admin',
    );
    const show = 'grep Cap /proc/self/status';
    const root = context({ Dockerfile: dockerfile(`RUN ${show}`, 'USER 65534', `RUN ${show} #`) });
    const getSets = (lines: readonly string[]) =>
      Object.fromEntries(lines.map((line) => line.replace('Cap', '').split(':\t')));
    const lines = await stepOutput(made, root, [...flags, '-t', 'app']);
    const argv = ['run', ...flags, '--user=65534', 'app', '/bin/sh', '-c', show];
    const { stdout } = await wiacAs(made, argv);
    const asRoot = getSets(lines.slice(0, 5));
    // The article's chroot has all that wiac has.
    const Bnd = isolation === 'chroot' ? asRoot.Bnd : docker;
    expect(asRoot).toEqual({ Inh: none, Prm: Bnd, Eff: Bnd, Bnd, Amb: none });
    const asOther = { Inh: none, Prm: none, Eff: none, Bnd, Amb: none };
    expect(getSets(lines.slice(5))).toEqual(asOther);
    expect(getSets(stdout.split('\n'))).toEqual(asOther);
  });

  test("the caller's session keyring is another one", async () => {
    const root = await perlContext({ 'find.pl': FIND_KEY }, 'COPY find.pl /', 'RUN perl /find.pl');
    const made = getMachine(user);
    const command = [...made.command, 'perl', '-e', WITH_KEY];
    const withKey = { ...made, command };
    // The default isolation refuses the question itself.
    const no =
      isolation === 'chroot' ? 'no: Required key not available' : 'no: Operation not permitted';
    expect(await stepOutput(withKey, root, [...flags, '-t', 'app'])).toEqual([no]);
    const { stdout } = await wiacAs(withKey, ['run', ...flags, 'app', 'perl', '/find.pl']);
    expect(stdout).toBe(no);
  });

  test('a step has a session of its own and no terminal', async () => {
    const script =
      'read pid name state parent group session tty rest < /proc/self/stat; echo $((session - pid)) $tty';
    const root = context({ Dockerfile: dockerfile(`RUN ${script}`) });
    expect(await stepOutput(getMachine(user), root, flags)).toEqual(['0 0']);
  });

  test('its own name is known, and no layer knows of that', async () => {
    const root = await perlContext({ 'find.pl': FIND_SELF }, 'COPY find.pl /', 'RUN perl /find.pl');
    const made = getMachine(user);
    expect(await stepOutput(made, root, [...flags, '-t', 'app'])).toEqual(['127.0.1.1']);
    const { stdout } = await wiacAs(made, ['run', ...flags, 'app', 'perl', '/find.pl']);
    expect(stdout).toBe('127.0.1.1');
    const layers = readdirSync(join(made.root, 'layers'));
    expect(
      layers.filter((id) => existsSync(join(made.root, 'layers', id, 'diff/etc/hosts'))),
    ).toEqual([]);
  });

  test('settings of the running machine can be read, not changed', async () => {
    // Written as they are: a test that fails must not change this machine.
    const file = '/proc/sys/vm/swappiness';
    const script = `read value < ${file}; (echo $value > ${file}) 2>&1`;
    const root = context({ Dockerfile: dockerfile(`RUN ${script}; true`) });
    const [line] = await stepOutput(getMachine(user), root, flags);
    expect(line).toMatch(user === 'root' ? /Read-only file system/ : /Read-only|denied/);
  });
});

/** Tries to make a user namespace, where it could mount the control groups of this machine. */
const NEW_USER = `$| = 1;
my @tries = ([${SYSCALLS.unshare}, 0x12020000], [${SYSCALLS.clone}, 0x10000011], [${SYSCALLS.keyctl}, 0, -4]);
print syscall($_->[0], $_->[1], $_->[2] // 0, 0, 0, 0) == -1 ? "no: $!" : "done", "\\n" for @tries;
if (!fork) { print "forked\\n"; exit }
wait;
`;

test.each(['root', 'ordinary'] as const)(
  '%s: a step makes no user namespace, and no key of this machine',
  async (user) => {
    const root = await perlContext({ 'new.pl': NEW_USER }, 'COPY new.pl /', 'RUN perl -w /new.pl');
    const lines = await stepOutput(getMachine(user), root, []);
    const refused = 'no: Operation not permitted';
    expect(lines).toEqual([refused, refused, refused, 'forked']);
  },
);

test('a line of --add-host for the name of a step counts', async () => {
  const root = await perlContext({ 'find.pl': FIND_SELF }, 'COPY find.pl /', 'RUN perl /find.pl');
  const lines = await stepOutput(getMachine('root'), root, ['--add-host=wiac:10.1.2.3']);
  expect(lines).toEqual(['10.1.2.3']);
});

describe.each(['root', 'ordinary'] as const)('kill -9 of wiac, by %s', (user) => {
  test.each([
    ['its program', 'echo ready; exec sleep $0'],
    // Such a program is not told of its parent's end.
    ['a setuid one', 'echo ready; exec /suid/busybox sleep $0'],
  ])('ends %s', async (_, script) => {
    const made = getMachine(user);
    const lines = [
      'RUN mkdir /suid && cat /bin/busybox > /suid/busybox && chmod 4755 /suid/busybox',
    ];
    const root = context({ Dockerfile: dockerfile(...lines, 'USER 65534') });
    await stepOutput(made, root, ['-t', 'app']);
    const number = String(1_000_000 + process.pid);
    const [program = '', ...rest] = [
      ...made.command,
      ...[process.execPath, WIAC, 'run', 'app', '/bin/sh', '-c', script, number],
    ];
    const child = execa(program, rest, { env: made.env, cwd: '/', reject: false });
    await printed(child.stdout, 'ready');
    while (processesWith(`sleep\0${number}`).length === 0) await pause();
    // The commands in front of it were replaced by it.
    child.kill('SIGKILL');
    await child;
    let left: string[] = [];
    for (let tries = 0; tries < 100; tries++) {
      left = processesWith(number);
      if (left.length === 0) break;
      await pause();
    }
    for (const pid of left) process.kill(Number(pid), 'SIGKILL');
    expect(left).toEqual([]);
  });
});

test('a build that is told to end by somebody else than a terminal ends', async () => {
  const made = getMachine('ordinary');
  const number = 2_000_000 + process.pid;
  const root = context({ Dockerfile: dockerfile(`RUN echo ready; exec sleep ${number}`) });
  await execa('chmod', ['755', root]);
  const [program = '', ...rest] = [
    ...made.command,
    process.execPath,
    WIAC,
    'build',
    '--progress=plain',
    root,
  ];
  const child = execa(program, rest, { env: made.env, cwd: '/', reject: false, stdin: 'ignore' });
  await printed(child.stderr, '| ready');
  child.kill('SIGINT');
  expect((await child).exitCode).toBe(130);
  expect(processesWith(`sleep\0${number}`)).toEqual([]);
});
