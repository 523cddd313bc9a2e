/** Which containers begin before they are asked for, and which of these go on. */
import { expect, test } from '@jest/globals';
import type { Container } from '../../src/executor/local/container.js';
import { DEFAULT_RESTRICTIONS } from '../../src/executor/local/container.js';
import { containerPool } from '../../src/executor/local/container-pool.js';
import { TELL } from '../../src/native/frames.js';
import type { Reply, WiacSys } from '../../src/native/wiac-sys.js';
import { CONTAINER as SOME_CONTAINER } from '../support/some-container.js';

const CONTAINER: Container = {
  ...SOME_CONTAINER,
  overlay: { lower: ['/a'], upper: { directory: '/upper', work: '/w' }, options: '' },
  cgroups: ['/sys/fs/cgroup/pids/one/tasks'],
};

function ended(status: string): Reply {
  const code = Buffer.from([status === '' ? 0 : 125, 0, 0, 0]);
  return { kind: TELL.ended, payload: Buffer.concat([code, Buffer.from(`${status}\0`)]) };
}

/** A pool, and what it has wiac-sys do. @param status how containers that waited end */
function recorded(status = '') {
  const log: string[] = [];
  const sys: WiacSys = {
    start: () => {},
    request: async () => {
      log.push('made anew');
      return ended('');
    },
    beginWaiting: () => {
      log.push('began');
      return {
        goOn: async (rest) => {
          log.push(`went on, writes to ${String(rest).split('\0')[0]}`);
          return ended(status);
        },
        end: async () => void log.push('ended'),
      };
    },
    close: () => {},
  };
  const pool = containerPool(sys);
  const run = (more: Partial<Container> = {}) => pool.run({ ...CONTAINER, ...more }, {});
  return { pool, run, log };
}

test('one that waits goes on as the next container with its control groups', async () => {
  const { pool, run, log } = recorded();
  await run();
  pool.prepare(CONTAINER);
  // Another one may not be in the same groups.
  pool.prepare(CONTAINER);
  await run({ cgroups: ['/sys/fs/cgroup/pids/other/tasks'] });
  const others = { lower: ['/b', '/a'], upper: { directory: '/next', work: '/w' }, options: '' };
  await run({
    overlay: others,
    env: [],
    argv: ['/bin/other'],
    user: { ...CONTAINER.user, uid: 7 },
  });
  await run();
  expect(log).toEqual([
    ...['made anew', 'began', 'made anew', 'went on, writes to /next', 'made anew'],
  ]);
});

test.each<[string, Partial<Container>]>([
  ['its network is another', { network: 'none' }],
  ['it has the network of a process', { network: { namespace: '/proc/1/ns/net' } }],
  ['it may do all', { insecure: true }],
  ['its /dev/shm has another size', { shmSize: 4096 }],
  ['its name is another', { hostname: 'other' }],
  ['it has devices', { deviceFilter: { group: '/g', program: Buffer.alloc(8), required: false } }],
  ['it has a first process of its own', { restrictions: { ...DEFAULT_RESTRICTIONS, init: true } }],
  [
    'its system calls are others',
    { restrictions: { ...DEFAULT_RESTRICTIONS, seccomp: undefined } },
  ],
  ['something is to be other than usual', { variation: { umask: '0077' } }],
  ['a runtime makes it', { runtime: '/usr/bin/crun', network: 'none' }],
  ['it is no more than a chroot', { isolation: 'chroot' }],
])('it ends when the next one is another: %s', async (_, more) => {
  const { pool, run, log } = recorded();
  pool.prepare(CONTAINER);
  await run({ ...more, cgroups: CONTAINER.cgroups });
  expect(log).toEqual(['began', 'ended', 'made anew']);
});

test.each<[string, Partial<Container>]>([
  ['insecure', { insecure: true }],
  ['in a chroot', { isolation: 'chroot' }],
  ['made by a runtime', { runtime: '/usr/bin/crun' }],
  ['in the network of a process', { network: { namespace: '/proc/1/ns/net' } }],
  ['varied', { variation: { lastPid: 300 } }],
])('none waits for one that is %s', (_, more) => {
  const { pool, log } = recorded();
  pool.prepare({ ...CONTAINER, ...more });
  expect(log).toEqual([]);
});

test('it ends when it does not see what has been mounted since', async () => {
  const { pool, run, log } = recorded();
  pool.prepare(CONTAINER);
  pool.forget();
  await run();
  pool.prepare(CONTAINER);
  await run();
  expect(log).toEqual(['began', 'ended', 'made anew', 'began', 'went on, writes to /upper']);
});

test('where it could not be set up, the container is made anew', async () => {
  const { pool, run, log } = recorded('early: clone: Resource temporarily unavailable');
  pool.prepare(CONTAINER);
  await run();
  expect(log).toEqual(['began', 'went on, writes to /upper', 'made anew']);
});

test.each(['exec: /bin/sh: No such file or directory', 'setup: overlay /merged: Invalid argument'])(
  'it is not made again after "%s"',
  async (status) => {
    const { pool, run, log } = recorded(status);
    pool.prepare(CONTAINER);
    await run();
    expect(log).toEqual(['began', 'went on, writes to /upper']);
  },
);

test('what nobody asked for ends with its control groups, and with the build', async () => {
  const { pool, log } = recorded();
  const groups = {
    members: CONTAINER.cgroups,
    deviceFilter: undefined,
    shown: [],
    memoryKills: () => 0,
    refusedProcesses: () => 0,
    maxProcesses: undefined,
    remove: async () => {},
  };
  pool.prepare(CONTAINER);
  await pool.vacate(groups);
  await pool.vacate(groups);
  pool.prepare(CONTAINER);
  await pool.close();
  pool.prepare(CONTAINER);
  expect(log).toEqual(['began', 'ended', 'began', 'ended']);
});
