/** System calls that Docker's profile refuses: from a step, from a container, with more rights and with all. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { perlContext, SYSCALLS } from '../support/perl-image.js';
import { getMachine, NAMESPACES, stepOutput, wiacAs } from '../support/rootless.js';
import { context, dockerfile } from '../support/wiac.js';

/** Calls with arguments that do no harm where nobody refuses them. */
const CALLS: Readonly<Record<string, readonly number[]>> = {
  unshare: [0x10000000],
  setns: [-1, 0],
  clone3: [0, 0],
  mount: [0, 0, 0, 0, 0],
  umount2: [0, 0],
  pivot_root: [0, 0],
  move_mount: [-1, 0, -1, 0, 0],
  open_tree: [-1, 0, 0],
  fsopen: [0, 0],
  mount_setattr: [-1, 0, 0, 0, 0],
  bpf: [9999, 0, 0],
  perf_event_open: [0, 0, -1, -1, 0],
  io_uring_setup: [0, 0],
  io_uring_enter: [-1, 0, 0, 0, 0, 0],
  keyctl: [9999, 0, 0, 0, 0],
  add_key: [0, 0, 0, 0, 0],
  request_key: [0, 0, 0, 0],
  kexec_load: [0, 0, 0, 9999],
  kexec_file_load: [-1, -1, 0, 0, 9999],
  init_module: [0, 0, 0],
  finit_module: [-1, 0, 0],
  delete_module: [0, 0],
  open_by_handle_at: [-1, 0, 0],
  userfaultfd: [-1],
  process_madvise: [-1, 0, 0, 0, 0],
  pidfd_getfd: [-1, -1, 0],
  kcmp: [-1, -1, 0, 0, 0],
  mbind: [0, 0, 0, 0, 0, 9999],
  move_pages: [-1, 0, 0, 0, 0, 9999],
  quotactl: [0, 0, 0, 0],
  syslog: [9999, 0, 0],
  swapon: [0, 0],
  acct: [1],
  vhangup: [],
  clock_settime: [9999, 0],
  settimeofday: [1, 1],
  lookup_dcookie: [0, 0, 0],
  // Newer than the profile.
  open_tree_attr: [-1, 0, 0, 0, 0],
};

/** The one that has no harmless arguments where nothing holds it back. */
const HARMFUL = ['vhangup'];

function program(names: readonly string[]): string {
  const tries = names.map((name) => {
    const numbers = [SYSCALLS[name], ...(CALLS[name] ?? [])].join(', ');
    return `$! = 0; print "${name} ", syscall(${numbers}) == -1 ? $! + 0 : "done", "\\n";`;
  });
  return ['$| = 1;', ...tries].join('\n');
}

const NAMES = Object.keys(CALLS);
const [EPERM, ENOSYS] = [1, 38];
const refusal = (name: string) =>
  `${name} ${name === 'clone3' || name === 'open_tree_attr' ? ENOSYS : EPERM}`;

/** What the filter refuses with EPERM, or the kernel for want of a capability, or an old kernel. */
const isRefused = (line: string) =>
  /^(clone3|open_tree_attr) 38$|^(?!clone3|open_tree_attr)\S+ 1$/.test(line);

describe.each(NAMESPACES)('$user, $flag', ({ user, runtime, flag }) => {
  // The libseccomp that crun is linked with knows no newer calls than the profile: it refuses them.
  const isOlder = runtime === 'crun';
  test('a step, its user and a container are refused what Docker refuses', async () => {
    const files = { 'try.pl': program(NAMES) };
    const lines = ['COPY try.pl /', 'RUN perl /try.pl', 'USER 65534', 'RUN perl /try.pl #'];
    const root = await perlContext(files, ...lines);
    const made = getMachine(user);
    const all = NAMES.map((name) =>
      isOlder && name === 'open_tree_attr' ? `${name} ${EPERM}` : refusal(name),
    );
    expect(await stepOutput(made, root, [flag, '-t', 'app'])).toEqual([...all, ...all]);
    const run = (...flags: string[]) =>
      wiacAs(made, ['run', flag, ...flags, 'app', 'perl', '/try.pl']);
    expect((await run('--user=0')).stdout.split('\n')).toEqual(all);
    // It is the filter that answers so: without it nothing tells a user of a capability.
    const unconfined = (await run('--security-opt=seccomp=unconfined')).stdout.split('\n');
    expect(unconfined.filter((line) => !isRefused(line)).length).toBeGreaterThan(10);
  });

  test('--security=insecure lifts it, and a capability its own calls alone', async () => {
    const names = NAMES.filter((name) => !HARMFUL.includes(name));
    const files = { 'try.pl': program(names) };
    const insecure = 'RUN --security=insecure perl /try.pl';
    const root = await perlContext(files, 'COPY try.pl /', insecure);
    const made = getMachine(user);
    const lines = await stepOutput(made, root, [flag, '--allow=security.insecure', '-t', 'app']);
    const lifted = lines.filter((line) => !isRefused(line)).map((line) => line.split(' ')[0]);
    expect(lifted).toEqual(
      expect.arrayContaining(['clone3', 'mount', 'bpf', 'keyctl', 'add_key', 'userfaultfd']),
    );
    const argv = ['run', flag, '--cap-add=SYS_PTRACE', 'app', 'perl', '/try.pl'];
    const traced = (await wiacAs(made, argv)).stdout.split('\n');
    const more = traced.filter((line) => !isRefused(line)).map((line) => line.split(' ')[0]);
    expect(more).toEqual([
      ...['process_madvise', 'pidfd_getfd', 'kcmp'],
      ...(isOlder ? ['open_tree_attr'] : []),
    ]);
  });
});

test.each(['root', 'ordinary'] as const)(
  '%s: the other conventions of this machine are no way around it',
  async (user) => {
    // Another processor has other conventions: conventions.c is to be written for it first.
    expect(process.arch).toBe('x64');
    const root = context({ Dockerfile: dockerfile('COPY try /', 'RUN /try') });
    const flags = ['-static', '-Wall', '-Wextra', '-Werror'];
    const program = join(root, 'try');
    await execa('cc', [...flags, '-o', program, 'test/hostile/conventions.c']);
    const lines = await stepOutput(getMachine(user), root, []);
    // A kernel may do without these programs, and a virtual machine without their system calls.
    const isThere = !(await execa(program)).stdout.includes('x86 keyctl is not there');
    const x86 = (name: string, code: number) => `x86 ${name} ${isThere ? -code : 'is not there'}`;
    expect(lines).toEqual([
      expect.stringMatching(/^x86 getpid (works|fails)$/),
      ...['keyctl', 'unshare', 'mount'].map((name) => x86(name, EPERM)),
      x86('clone3', ENOSYS),
      `x32 keyctl -${EPERM}`,
      `x32 unshare -${EPERM}`,
      `x64 unshare -${EPERM}`,
    ]);
  },
);
