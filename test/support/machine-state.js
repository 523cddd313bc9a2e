/**
 * What the tests may not change: they run as root, on the machine of whoever works on wiac. Each test looks for
 * mounts itself (wiac.ts); of other runs there may be some.
 */
import { lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';

/** Who uses them everywhere needs them as they are, and /var/lib/wiac is the store of root. */
const PATHS = [
  '/',
  tmpdir(),
  '/dev/null',
  '/dev/shm',
  '/dev/stdout',
  '/etc/passwd',
  '/var/lib/wiac',
];

function describePath(path) {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return `${path}: not there`;
  const { mode, uid, gid } = stats;
  return `${path}: ${mode.toString(8)} ${uid}:${gid}`;
}

/** A line for each. */
export function machineState() {
  return PATHS.map(describePath);
}
