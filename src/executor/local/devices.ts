/** What a container has in /dev. */
import type { Stats } from 'node:fs';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from './operations.js';

/** A device of this machine that a container gets. */
export interface Device {
  /** Where it is on this machine, absolute. */
  readonly source: string;
  /** Below /dev of the container, no leading slash. */
  readonly path: string;
  readonly kind: 'character' | 'block';
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Every container has these; names and numbers of the Linux documentation, admin-guide/devices. */
export const STANDARD_DEVICES: readonly Device[] = (
  [
    ['null', 1, 3],
    ['zero', 1, 5],
    ['full', 1, 7],
    ['random', 1, 8],
    ['urandom', 1, 9],
    ['tty', 5, 0],
  ] as const
).map(([path, major, minor]) => ({
  source: `/dev/${path}`,
  path,
  kind: 'character',
  major,
  minor,
  mode: 0o666,
  uid: 0,
  gid: 0,
}));

/** Of a container's own; what leads to this machine's terminals and memory is not handed on. */
const OWN = new Set(['console', 'fd', 'mqueue', 'ptmx', 'pts', 'shm', 'stderr', 'stdin', 'stdout']);

/** Devices that a program with all rights makes for itself, where the machine has none by then. */
const LOOP_MAJOR = 7;
const LOOPS = 8;
const LOOP_CONTROL = { major: 10, minor: 237 } as const;

/** dev_t of glibc, gnu_dev_major(3); minor numbers above 2^20 - 1 do not exist. */
function getMajor(number: number): number {
  return (number >> 8) & 0xfff;
}
function getMinor(number: number): number {
  return (number & 0xff) | ((number >>> 12) & 0xfff00);
}

/** @returns undefined when the file is no device */
export function getDevice(source: string, path: string, stats: Stats): Device | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return undefined;
  return {
    source,
    path,
    kind: stats.isBlockDevice() ? 'block' : 'character',
    major: getMajor(stats.rdev),
    minor: getMinor(stats.rdev),
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
  };
}

function listDevices(root: string, below: string): Device[] {
  const names = readdirSync(join(root, below), { withFileTypes: true });
  return names.flatMap((entry) => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (below === '' && OWN.has(entry.name)) return [];
    if (entry.isDirectory()) return listDevices(root, path);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    const source = join(root, path);
    // A device can be unplugged meanwhile.
    const stats = statSync(source, { throwIfNoEntry: false });
    return (stats && getDevice(source, path, stats)) ?? [];
  });
}

/**
 * All devices of this machine but those that every container has its own of, and loop devices, as
 * privileged containers of Docker and BuildKit's insecure steps have them.
 * @param root this machine's /dev
 */
export function hostDevices(root = '/dev'): Device[] {
  const standard = new Set(STANDARD_DEVICES.map(({ path }) => path));
  const found = listDevices(root, '').filter(({ path }) => !standard.has(path));
  const there = new Set(found.map(({ path }) => path));
  const owner = { mode: 0o660, uid: 0, gid: 0 };
  const loops = Array.from({ length: LOOPS }, (_, minor): Device => {
    const path = `loop${minor}`;
    const source = join(root, path);
    return { source, path, kind: 'block', major: LOOP_MAJOR, minor, ...owner };
  });
  const path = 'loop-control';
  const source = join(root, path);
  const control: Device = { source, path, kind: 'character', ...LOOP_CONTROL, ...owner };
  return [...found, ...[control, ...loops].filter((device) => !there.has(device.path))];
}

function parents(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/**
 * Makes devices below the working directory, /dev of the container.
 * @param mounted each is a mount of its own, which works where devices do not
 */
export function deviceOperations(devices: readonly Device[], mounted: boolean): Operation[] {
  const directories = [...new Set(devices.flatMap(({ path }) => parents(path)))];
  return [
    ...directories.map((path): Operation => ({ op: 'mkdir', path, mode: '755' })),
    ...devices.map((device): Operation => ({ op: 'device', ...device, mounted })),
  ];
}
