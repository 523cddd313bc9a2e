/** Where a program finds its control groups. */
import { expect, test } from '@jest/globals';
import { MS } from '../../src/executor/local/operations.js';
import { showGroups, shownPlaces } from '../../src/executor/local/shown-groups.js';

const SECOND = { path: '/sys/fs/cgroup/user.slice/wiac-1', name: undefined };
const memory = { path: '/sys/fs/cgroup/memory/wiac-1', name: 'memory' };
const cpu = { path: '/sys/fs/cgroup/cpu,cpuacct/wiac-1', name: 'cpu,cpuacct' };

test('version 2 has one, at the top', () => {
  const [operation, ...others] = showGroups({ shownGroups: [SECOND], insecure: false }, '/r');
  expect(others).toEqual([]);
  expect(operation).toMatchObject({ op: 'bind-in', source: SECOND.path, path: '/sys/fs/cgroup' });
  expect(operation).toMatchObject({ attributes: expect.any(Number) });
  expect((operation as { attributes: number }).attributes & MS.RDONLY).toBe(MS.RDONLY);
});

test('version 1 has a directory for each, and a link for each controller that shares one', () => {
  const operations = showGroups({ shownGroups: [memory, cpu, SECOND], insecure: false }, '/r');
  expect(operations.filter(({ op }) => op === 'bind-in')).toMatchObject([
    { source: memory.path, path: '/sys/fs/cgroup/memory' },
    { source: cpu.path, path: '/sys/fs/cgroup/cpu,cpuacct' },
  ]);
  expect(operations.filter(({ op }) => op === 'symlink')).toEqual([
    { op: 'symlink', target: 'cpu,cpuacct', path: 'cpu' },
    { op: 'symlink', target: 'cpu,cpuacct', path: 'cpuacct' },
  ]);
  expect(operations.at(-1)).toEqual({ op: 'chdir', path: '/' });
});

test('a container with all rights may change them; one without limits sees none', () => {
  const [operation] = showGroups({ shownGroups: [SECOND], insecure: true }, '/r');
  expect((operation as { attributes: number }).attributes & MS.RDONLY).toBe(0);
  expect(showGroups({ shownGroups: [], insecure: false }, '/r')).toEqual([]);
  expect(shownPlaces([])).toEqual([]);
});
