/** Which control groups another container gets. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { ControlGroups } from '../../src/executor/local/cgroup.js';
import type { ControlLimits } from '../../src/executor/local/cgroup-limits.js';
import type { Devices } from '../../src/executor/local/group-pool.js';
import { groupPool } from '../../src/executor/local/group-pool.js';

/** Groups of a container that has ended. */
function ended(changes: Partial<ControlGroups> = {}) {
  const log: string[] = [];
  const groups: ControlGroups = {
    members: ['/sys/fs/cgroup/pids/test/tasks'],
    deviceFilter: undefined,
    shown: [],
    memoryKills: () => 0,
    refusedProcesses: () => 0,
    maxProcesses: undefined,
    remove: async () => void log.push('removed'),
    ...changes,
  };
  return { groups, log };
}

async function giveBack(
  limits: ControlLimits,
  changes: Partial<ControlGroups>,
  kind: Devices,
  mayDiffer = false,
) {
  const pool = groupPool(limits, undefined, async () => {});
  const { groups, log } = ended(changes);
  pool.giveBack(groups, kind, mayDiffer);
  expect(log).toEqual([]);
  await setImmediate();
  await setImmediate();
  return { pool, groups, log };
}

test('a container that has ended leaves them to the next one; what no container takes is removed', async () => {
  const { pool, groups, log } = await giveBack({ pids: 100 }, {}, 'usual');
  expect(pool.take('usual')).toBe(groups);
  pool.giveBack(groups, 'usual', false);
  await setImmediate();
  expect(log).toEqual([]);
  await pool.close();
  expect(log).toEqual(['removed']);
});

test.each<[string, ControlLimits, Partial<ControlGroups>, Devices, boolean?]>([
  ['memory is counted', { memory: 1 << 26 }, {}, 'usual'],
  ['time is counted', { cpuQuota: 1000 }, {}, 'usual'],
  ['the container could change them', {}, {}, 'all'],
  ['the container could mount them', {}, {}, 'usual', true],
  ['processes were refused', {}, { refusedProcesses: () => 1 }, 'usual'],
  [
    'a program sees to devices',
    {},
    { deviceFilter: { group: '/', program: Buffer.alloc(8), required: false } },
    'usual',
  ],
])('they are removed where %s', async (_, limits, changes, kind, mayDiffer = false) => {
  const { pool, log } = await giveBack(limits, changes, kind, mayDiffer);
  expect(log).toEqual(['removed']);
  await pool.close();
  expect(log).toEqual(['removed']);
});

test('those that are given back while the pool closes are removed', async () => {
  const pool = groupPool({}, undefined, async () => {});
  const { groups, log } = ended();
  pool.giveBack(groups, 'usual', false);
  await pool.close();
  expect(log).toEqual(['removed']);
});
