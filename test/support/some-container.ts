/** A container that no test makes. */
import type { Container } from '../../src/executor/local/container.js';
import { DEFAULT_RESTRICTIONS } from '../../src/executor/local/container.js';
import { MASKED } from '../../src/executor/local/masked-paths.js';

export const CONTAINER: Container = {
  isolation: 'namespaces',
  runtime: undefined,
  runtimeLog: '/scratch/runtime.log',
  overlay: { lower: ['/a', '/b'], upper: undefined, options: '' },
  root: '/scratch/merged',
  views: [],
  memory: { directory: '/memory', files: [] },
  binds: [],
  tmpfs: [],
  network: 'host',
  insecure: false,
  masked: [...MASKED, '/sys/hot'],
  devices: [],
  restrictions: DEFAULT_RESTRICTIONS,
  cgroups: [],
  shownGroups: [],
  deviceFilter: undefined,
  hostname: 'box',
  terminal: false,
  maySetGroups: true,
  pts: '/scratch/pts',
  shmSize: 1024,
  limits: [],
  mayMountSysfs: true,
  user: { uid: 1000, gid: 1000, groups: [1000] },
  workdir: '/work',
  env: [['A', '1']],
  argv: ['/bin/sh'],
};
