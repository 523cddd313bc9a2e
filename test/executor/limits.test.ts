/** What limits mean in the files of control groups, and where those are. */
import { describe, expect, test } from '@jest/globals';
import { groupsAbove, hierarchyFinder } from '../../src/executor/local/cgroup-hierarchy.js';
import type { ControlLimits } from '../../src/executor/local/cgroup-limits.js';
import { settingsV1, settingsV2 } from '../../src/executor/local/cgroup-limits.js';

const files = (settings: ReturnType<typeof settingsV1>) =>
  Object.fromEntries(settings.map(({ file, value }) => [file, value]));

describe('the files of both versions', () => {
  test.each<[string, ControlLimits, Record<string, string>, Record<string, string>]>([
    ['nothing', {}, {}, {}],
    [
      'memory brings as much swap',
      { memory: 100 },
      { 'memory.limit_in_bytes': '100', 'memory.memsw.limit_in_bytes': '200' },
      { 'memory.max': '100', 'memory.swap.max': '100' },
    ],
    [
      'swap is what --memory-swap leaves',
      { memory: 100, memorySwap: 100 },
      { 'memory.limit_in_bytes': '100', 'memory.memsw.limit_in_bytes': '100' },
      { 'memory.max': '100', 'memory.swap.max': '0' },
    ],
    [
      'swap without a limit',
      { memory: 100, memorySwap: -1 },
      { 'memory.limit_in_bytes': '100', 'memory.memsw.limit_in_bytes': '-1' },
      { 'memory.max': '100', 'memory.swap.max': 'max' },
    ],
    [
      'CPU time',
      { cpuQuota: 50_000, cpuPeriod: 200_000 },
      { 'cpu.cfs_quota_us': '50000', 'cpu.cfs_period_us': '200000' },
      { 'cpu.max': '50000 200000' },
    ],
    [
      'a period alone',
      { cpuPeriod: 50_000 },
      { 'cpu.cfs_period_us': '50000' },
      { 'cpu.max': 'max 50000' },
    ],
    ['the least share', { cpuShares: 2 }, { 'cpu.shares': '2' }, { 'cpu.weight': '1' }],
    [
      'the largest share',
      { cpuShares: 262_144 },
      { 'cpu.shares': '262144' },
      { 'cpu.weight': '10000' },
    ],
    [
      'sets and processes',
      { cpusetCpus: '0-1', cpusetMems: '0', pids: 5 },
      { 'cpuset.cpus': '0-1', 'cpuset.mems': '0', 'pids.max': '5' },
      { 'cpuset.cpus': '0-1', 'cpuset.mems': '0', 'pids.max': '5' },
    ],
  ])('%s', (_, limits, first, second) => {
    expect(files(settingsV1(limits))).toEqual(first);
    expect(files(settingsV2(limits))).toEqual(second);
  });

  test('swap that was not asked for may be left out, asked for it may not', () => {
    const swap = (limits: ControlLimits) =>
      [...settingsV1(limits), ...settingsV2(limits)]
        .filter(({ file }) => /sw/.test(file))
        .map(({ optional }) => optional);
    expect(swap({ memory: 100 })).toEqual([true, true]);
    expect(swap({ memory: 100, memorySwap: 150 })).toEqual([false, false]);
  });
});

describe('where the groups are', () => {
  const V1 = '35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory';
  const CPU = '36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct';
  const HYBRID = '40 31 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw';
  const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';

  test('version 2', () => {
    const found = hierarchyFinder(V2, '0::/user.slice/user-0.slice/session-3.scope\n')('memory');
    expect(found).toEqual({
      version: 2,
      mount: '/sys/fs/cgroup',
      own: '/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope',
    });
    expect(found && groupsAbove(found)).toEqual([
      '/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope',
      '/sys/fs/cgroup/user.slice/user-0.slice',
      '/sys/fs/cgroup/user.slice',
      '/sys/fs/cgroup',
    ]);
  });

  test('version 1, and both', () => {
    const mounts = [V1, CPU, HYBRID].join('\n');
    const own = '4:memory:/a:b/c\n2:cpu,cpuacct:/x\n0::/u\n';
    expect(hierarchyFinder(mounts, own)('memory')).toMatchObject({
      version: 1,
      own: '/sys/fs/cgroup/memory/a:b/c',
    });
    expect(hierarchyFinder(mounts, own)('cpu')?.own).toBe('/sys/fs/cgroup/cpu,cpuacct/x');
    expect(hierarchyFinder(mounts, own)('pids')).toMatchObject({
      version: 2,
      own: '/sys/fs/cgroup/unified/u',
    });
  });

  test('in a container that sees a part of the hierarchy', () => {
    const part = V1.replace(' / /sys', ' /docker/12 /sys');
    expect(hierarchyFinder(part, '4:memory:/docker/12/x\n')('memory')?.own).toBe(
      '/sys/fs/cgroup/memory/x',
    );
    expect(hierarchyFinder(part, '4:memory:/elsewhere\n')('memory')?.own).toBe(
      '/sys/fs/cgroup/memory',
    );
    // A namespace shows groups above its own as /..
    expect(hierarchyFinder(V2, '0::/../other\n')('memory')?.own).toBe('/sys/fs/cgroup');
  });

  test('none is mounted', () => {
    expect(
      hierarchyFinder('1 1 0:1 / / rw - ext4 /dev/vda rw', '0::/\n')('memory'),
    ).toBeUndefined();
  });
});
