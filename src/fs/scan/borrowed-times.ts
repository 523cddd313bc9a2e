/**
 * Whether a file's time of change is the file system's own. ext4, XFS, btrfs and the like set ctime at each change,
 * and no program can set it. Images that are only read, FAT and programs behind FUSE have no such time: they say
 * what they were given, mostly mtime. Two images made with one fixed time tell of different files by the same numbers.
 */
import { readFileSync } from 'node:fs';
import type { FileStats } from './file-stats.js';

/** Types of file systems that keep no time of change, or where a program says what it likes. */
const WITHOUT_CTIME: ReadonlySet<string> = new Set(
  'squashfs erofs iso9660 udf cramfs romfs vfat msdos exfat fuseblk'.split(' '),
);

/** A virtual machine's share is of type virtiofs: its times are those of the host's file system. */
const isWithoutCtime = (type: string) => WITHOUT_CTIME.has(type) || /^fuse(\.|$)/.test(type);

/** st_dev as the C library puts it together from 12 and 20 bits (makedev(3)). */
function deviceNumber(major: number, minor: number): number {
  return (minor >>> 8) * 2 ** 20 + major * 2 ** 8 + (minor & 0xff);
}

/**
 * Devices, as st_dev has them, of mounted file systems without a time of change.
 * @param mountinfo the text of /proc/self/mountinfo
 */
export function devicesWithoutCtime(mountinfo: string): ReadonlySet<number> {
  const devices = new Set<number>();
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ');
    const [type = ''] = after.split(' ');
    const [, , device = ''] = before.split(' ');
    const [major = Number.NaN, minor = Number.NaN] = device.split(':').map(Number);
    if (isWithoutCtime(type)) devices.add(deviceNumber(major, minor));
  }
  return devices;
}

/** May a file be another one although its times are the same? */
export type IsBorrowed = (stats: Pick<FileStats, 'dev' | 'mtimeMs' | 'ctimeMs'>) => boolean;

/** Asks for the mounts of this process when it is asked first. */
export function borrowedTimes(): IsBorrowed {
  let devices: ReadonlySet<number> | undefined;
  return ({ dev, mtimeMs, ctimeMs }) => {
    // A whole second that is mtime's as well: also of a file below an overlay, whose device is not in the list.
    if (ctimeMs === mtimeMs && ctimeMs % 1000 === 0) return true;
    devices ??= devicesWithoutCtime(readFileSync('/proc/self/mountinfo', 'utf8'));
    return devices.has(dev);
  };
}
