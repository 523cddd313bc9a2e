/** From the description of a container to the operations that enter it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from '../../src/executor/local/capabilities.js';
import type { Container } from '../../src/executor/local/container.js';
import { DEFAULT_RESTRICTIONS } from '../../src/executor/local/container.js';
import { enterOperations } from '../../src/executor/local/enter-operations.js';
import { thermalPaths } from '../../src/executor/local/masked-paths.js';
import type { Operation } from '../../src/executor/local/operations.js';
import { CLONE, MS } from '../../src/executor/local/operations.js';
import { CONTAINER } from '../support/some-container.js';

const enter = (more: Partial<Container> = {}, streams: 'capture' | 'relay' = 'capture') =>
  enterOperations({ ...CONTAINER, ...more }, streams);
const restricted = (more: Partial<Container['restrictions']>) => ({
  restrictions: { ...DEFAULT_RESTRICTIONS, ...more },
});

type Of<K extends Operation['op']> = Extract<Operation, { op: K }>;
const all = <K extends Operation['op']>(operations: Operation[], op: K) =>
  operations.filter((operation): operation is Of<K> => operation.op === op);
const one = <K extends Operation['op']>(operations: Operation[], op: K): Of<K> | undefined =>
  all(operations, op)[0];

/** Places in the order; all of them have to be there. */
function order(operations: Operation[], ...ops: Operation['op'][]): Operation['op'][] {
  const at = (op: Operation['op']) => operations.findIndex((each) => each.op === op);
  expect(ops.map(at)).not.toContain(-1);
  return [...ops].sort((a, b) => at(a) - at(b));
}

test('what has to happen first does', () => {
  const operations = enter({
    cgroups: ['/g/tasks'],
    ...restricted({ noNewPrivileges: true, readOnly: true }),
  });
  const ops = [
    'clone',
    'mount',
    'join-cgroup',
    // The mounts of this machine are the program's no longer ...
    'pivot',
    'drop-inherited',
    // ... it is in its directory, whoever may enter that ...
    'make-path',
    'workdir',
    'capabilities',
    // ... and only then does it become another user, and the program.
    'user',
    'env',
    'exec',
  ] as const;
  expect(order(operations, ...ops)).toEqual(ops);
  expect(operations.at(-1)).toEqual({ op: 'exec', argv: ['/bin/sh'] });
});

test('nothing is mounted before the mounts are private', () => {
  const mounts = enter().filter(
    ({ op }) => op === 'mount' || op === 'mount-in' || op === 'bind-in',
  );
  expect(mounts[0]).toMatchObject({ target: '/', flags: MS.REC | MS.PRIVATE });
});

test('what becomes a layer is handed over, what is thrown away is not', () => {
  expect(all(enter(), 'hand-over')).toEqual([{ op: 'hand-over', path: CONTAINER.root }]);
  expect(order(enter(), 'overlay', 'hand-over', 'pivot')[1]).toBe('hand-over');
  expect(all(enter({}, 'relay'), 'hand-over')).toEqual([]);
});

describe('namespaces', () => {
  const flags = (more: Partial<Container>) => one(enter(more), 'clone')?.flags ?? 0;

  test('all but the network, which is this machine’s unless it is none', () => {
    const usual = CLONE.NEWNS | CLONE.NEWPID | CLONE.NEWIPC | CLONE.NEWUTS;
    expect(flags({})).toBe(usual);
    expect(flags({ network: 'none' })).toBe(usual | CLONE.NEWNET);
    expect(one(enter({ network: 'none' }), 'loopback-up')).toBeDefined();
    expect(one(enter(), 'loopback-up')).toBe(undefined);
  });

  test('--isolation=chroot has its mounts and processes, and no host name', () => {
    expect(flags({ isolation: 'chroot' })).toBe(CLONE.NEWNS | CLONE.NEWPID);
    expect(one(enter({ isolation: 'chroot' }), 'hostname')).toBe(undefined);
    expect(one(enter(), 'hostname')).toEqual({ op: 'hostname', name: 'box' });
  });

  test('the control group namespace begins in the groups that were joined', () => {
    const operations = enter({ cgroups: ['/g/tasks'] });
    const joined = operations.findIndex(({ op }) => op === 'join-cgroup');
    const own = operations.findIndex(
      (operation) => operation.op === 'unshare' && operation.flags === CLONE.NEWCGROUP,
    );
    expect(own).toBeGreaterThan(joined);
  });

  test('a program that is the first process begins in its group of version 2', () => {
    const cgroups = ['/memory/g/tasks', '/sys/fs/cgroup/g/cgroup.procs'];
    const groups = (more: Partial<Container>, streams?: 'relay') => {
      const operations = enter({ cgroups, ...more }, streams);
      const joined = all(operations, 'join-cgroup').map(({ path }) => path);
      return [one(operations, 'clone')?.group, ...joined];
    };
    expect(groups({})).toEqual(['/sys/fs/cgroup/g', '/memory/g/tasks']);
    expect(groups({}, 'relay')).toEqual(['/sys/fs/cgroup/g', '/memory/g/tasks']);
    // What starts it is not in its groups.
    expect(groups(restricted({ init: true }))).toEqual([undefined, ...cgroups]);
    expect(groups({ isolation: 'chroot' })).toEqual([undefined, ...cgroups]);
    expect(groups({ runtime: '/usr/bin/crun' })).toEqual([undefined, ...cgroups]);
    expect(groups({ cgroups: [] })).toEqual([undefined]);
  });

  test('--init and chroot have one process more', () => {
    expect(all(enter(), 'fork')).toHaveLength(0);
    expect(all(enter(restricted({ init: true })), 'fork')).toHaveLength(1);
    expect(all(enter({ isolation: 'chroot' }), 'fork')).toHaveLength(1);
  });
});

describe('rights', () => {
  test("Docker's capabilities and its filter of system calls", () => {
    const operations = enter();
    expect(one(operations, 'capabilities')?.keep).toEqual(DEFAULT_CAPABILITIES);
    expect(one(operations, 'no-new-privileges')).toBe(undefined);
    expect(one(enter(restricted({ noNewPrivileges: true })), 'no-new-privileges')).toBeDefined();
  });

  test.each<[string, Partial<Container>]>([
    ['insecure', { insecure: true }],
    ['chroot', { isolation: 'chroot' }],
  ])('%s keeps all of them, unless they were chosen', (_, more) => {
    expect(one(enter(more), 'capabilities')).toBe(undefined);
    expect(one(enter(more), 'seccomp')).toBe(undefined);
    const chosen = { ...more, ...restricted({ capabilities: [1], everywhere: true }) };
    expect(one(enter(chosen), 'capabilities')?.keep).toEqual([1]);
  });

  test('a program with more capabilities has another filter, none when that was asked for', () => {
    const usual = one(enter(), 'seccomp-filter')?.filter;
    const more = one(
      enter(restricted({ capabilities: ALL_CAPABILITIES })),
      'seccomp-filter',
    )?.filter;
    expect(usual).toBeDefined();
    expect(more).toBeDefined();
    expect(more).not.toEqual(usual);
    expect(one(enter(restricted({ seccomp: undefined })), 'seccomp')).toBe(undefined);
  });

  test('the filter comes after all that it would refuse', () => {
    const operations = enter(restricted({ readOnly: true })).map(({ op }) => op);
    const after = operations.slice(operations.indexOf('seccomp') + 1);
    expect(after).toEqual(['user', 'workdir', 'env', 'exec']);
  });

  test('what counts how hot a CPU was is masked, where there is such a thing', () => {
    const directory = mkdtempSync(join(tmpdir(), 'wiac-cpus-'));
    for (const path of ['cpu0/thermal_throttle', 'cpu1', 'cpu12/thermal_throttle', 'cpufreq'])
      mkdirSync(join(directory, path), { recursive: true });
    const paths = thermalPaths(directory);
    rmSync(directory, { recursive: true });
    const wanted = ['cpu0', 'cpu12'].map((name) => join(directory, name, 'thermal_throttle'));
    expect(paths.sort()).toEqual(wanted);
    expect(thermalPaths(join(directory, 'none'))).toEqual([]);
  });

  test('masked and protected paths of the runtime-spec, but not when all is allowed', () => {
    const masked = all(enter(), 'mask').map(({ path }) => path);
    const some = ['/proc/kcore', '/proc/keys', '/proc/interrupts', '/sys/firmware', '/sys/hot'];
    expect(masked).toEqual(expect.arrayContaining(some));
    const readOnly = all(enter(), 'read-only').map(({ path }) => path);
    expect(readOnly).toEqual(expect.arrayContaining(['/proc/sys', '/proc/sysrq-trigger']));
    expect(all(enter({ insecure: true }), 'mask')).toEqual([]);
    expect(all(enter({ insecure: true }), 'read-only')).toEqual([]);
    expect(all(enter({ isolation: 'chroot' }), 'read-only')).not.toEqual([]);
  });

  test('devices work only when the container is insecure', () => {
    const overlay = (more: Partial<Container>) => one(enter(more), 'overlay')?.flags;
    expect(overlay({})).toBe(MS.NODEV);
    expect(overlay({ insecure: true })).toBe(0);
  });

  test('a read-only root stays writable until the working directory is made', () => {
    const operations = enter(restricted({ readOnly: true }));
    const made = operations.findIndex(({ op }) => op === 'make-path');
    const restrict = operations.findIndex(
      (operation) => operation.op === 'restrict' && operation.path === '/',
    );
    expect(restrict).toBeGreaterThan(made);
    expect(enter().some((operation) => operation.op === 'restrict' && operation.path === '/')).toBe(
      false,
    );
  });
});

describe('file systems', () => {
  test('/proc and /dev are the container’s own; chroot shows this machine’s', () => {
    const types = all(enter(), 'mount-in').map(({ path, type }) => [path, type]);
    expect(types).toEqual(
      expect.arrayContaining([
        ['/proc', 'proc'],
        ['/dev', 'tmpfs'],
        ['/sys', 'sysfs'],
      ]),
    );
    const chroot = enter({ isolation: 'chroot' });
    expect(all(chroot, 'mount-in')).toEqual([]);
    expect(all(chroot, 'bind-in').map(({ source }) => source)).toEqual(['/proc', '/dev', '/sys']);
    expect(one(chroot, 'pivot')).toBe(undefined);
    expect(one(chroot, 'chroot')).toBeDefined();
  });

  test('/sys is for reading, in a user namespace a view of this machine’s', () => {
    const own = all(enter(), 'mount-in').find(({ path }) => path === '/sys');
    expect((own?.flags ?? 0) & MS.RDONLY).toBe(MS.RDONLY);
    const shared = all(enter({ mayMountSysfs: false }), 'bind-in').find(
      ({ path }) => path === '/sys',
    );
    expect((shared?.attributes ?? 0) & MS.RDONLY).toBe(MS.RDONLY);
    const insecure = all(enter({ insecure: true }), 'mount-in').find(({ path }) => path === '/sys');
    expect((insecure?.flags ?? 0) & MS.RDONLY).toBe(0);
  });

  test('mounts come after those around them, whatever their kind', () => {
    const binds = [{ source: '/a', target: '/x', kind: 'directory' as const, readOnly: true }];
    const tmpfs = [
      { target: '/x/y/z', options: '' },
      { target: '/x/y', options: 'size=1m' },
    ];
    const targets = enter({ binds, tmpfs }).flatMap((operation) =>
      'path' in operation && operation.path.startsWith('/x') ? [operation.path] : [],
    );
    expect(targets).toEqual(['/x', '/x/y', '/x/y/z']);
  });

  test('a bind may be for reading, and has no devices', () => {
    const bind = (readOnly: boolean) =>
      all(
        enter({ binds: [{ source: '/a', target: '/x', kind: 'directory', readOnly }] }),
        'bind-in',
      )[0]?.attributes;
    expect(bind(true)).toBe(MS.NODEV | MS.RDONLY);
    expect(bind(false)).toBe(MS.NODEV);
  });

  test('a mount point that is missing is made where it was reached, without its path', () => {
    const within = { base: '/dev', path: 'shm/x', kind: 'file' } as const;
    const operations = enter({
      binds: [{ source: '/a', target: '/dev/shm/x', within, kind: 'directory', readOnly: false }],
    });
    const at = operations.findIndex(({ op }) => op === 'mount-point');
    expect(operations[at]).toMatchObject({ base: '/dev', path: 'shm/x' });
    expect(operations[at + 1]).toMatchObject({ op: 'bind-in', root: '.', path: 'x' });
  });

  test('secrets are written to memory before anything shows them', () => {
    const file = {
      path: '/scratch/secrets/0',
      content: Buffer.from('s'),
      mode: 0o400,
      uid: 0,
      gid: 0,
    };
    const memory = { directory: '/scratch/secrets', files: [file] };
    const binds = [
      { source: file.path, target: '/run/secrets/s', kind: 'directory' as const, readOnly: true },
    ];
    const operations = enter({ memory, binds });
    expect(order(operations, 'bind-in', 'write')).toEqual(['write', 'bind-in']);
    const tmpfs = all(operations, 'mount').find(({ target }) => target === memory.directory);
    expect(tmpfs).toMatchObject({ type: 'tmpfs', data: 'mode=700' });
  });
});

describe('streams', () => {
  test('a step has no input, and output that wiac reads', () => {
    expect(one(enter(), 'null-input')).toBeDefined();
    expect(one(enter(), 'relay-streams')).toBe(undefined);
  });

  test('a program of wiac run has a terminal that is made before the container', () => {
    const operations = enter({ terminal: true }, 'relay');
    expect(one(operations, 'relay-streams')).toMatchObject({
      ptmx: '/scratch/pts/ptmx',
      uid: 1000,
      always: true,
    });
    expect(one(operations, 'null-input')).toBe(undefined);
    // It is moved into /dev later.
    const moved = all(operations, 'mount').find(({ flags }) => flags === MS.MOVE);
    expect(moved).toMatchObject({ source: '/scratch/pts', target: 'pts' });
  });
});

describe('a container in which something is to be other than usual', () => {
  test('the numbers of processes and the CPUs are set before the program is forked', () => {
    const operations = enter({ variation: { lastPid: 27_000, cpus: [1], umask: '0077' } });
    expect(order(operations, 'last-pid', 'cpus', 'fork', 'umask')).toEqual([
      ...['last-pid', 'cpus', 'fork', 'umask'],
    ]);
    expect(one(operations, 'last-pid')).toEqual({ op: 'last-pid', pid: 27_000 });
    expect(one(operations, 'cpus')).toEqual({ op: 'cpus', cpus: [1] });
    expect(one(operations, 'umask')).toEqual({ op: 'umask', mask: '0077' });
    // Usually the program is the first process.
    for (const op of ['last-pid', 'cpus', 'fork', 'names'] as const)
      expect(one(enter(), op)).toBe(undefined);
    expect(one(enter(), 'umask')).toEqual({ op: 'umask', mask: '0022' });
  });

  test('names in another order are the lowest layer, on one device with the others', () => {
    const operations = enter({ names: { directory: '/names', paths: ['b', 'd/', 'd/a'] } });
    expect(order(operations, 'names', 'overlay')).toEqual(['names', 'overlay']);
    expect(one(operations, 'overlay')).toMatchObject({
      lower: ['/a', '/b', '/names'],
      options: expect.stringContaining('xino=auto'),
    });
  });
});
