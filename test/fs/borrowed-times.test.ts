/** Which file systems' times of change say nothing. */
import { lstatSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { borrowedTimes, devicesWithoutCtime } from '../../src/fs/scan/borrowed-times.js';

const MOUNTS = `25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 25 7:1 / /image ro,relatime shared:2 master:3 - squashfs /dev/loop1 ro
91 25 0:53 / /far rw,nosuid - fuse.sshfs host:/with\\040blank rw,user_id=0
92 25 0:54 / /share rw - virtiofs tag rw
93 25 0:301 / /bind rw - fuse.bindfs /x rw
94 25 259:300 / /stick rw - vfat /dev/nvme0n1p1 rw
95 25 0:55 / /sys/fs/fuse/connections rw - fusectl fusectl rw
`;

test('devices of images, FAT and FUSE, as stat has them', () => {
  // makedev(7, 1), (0, 53), (0, 301) and (259, 300)
  expect([...devicesWithoutCtime(MOUNTS)]).toEqual([0x701, 53, 0x10002d, 0x11032c]);
  expect(devicesWithoutCtime('')).toEqual(new Set());
});

test('a whole second that is both times is no time of change, wherever the file lies', () => {
  const { dev } = lstatSync('.');
  const isBorrowed = borrowedTimes();
  expect(isBorrowed({ dev, mtimeMs: 5000, ctimeMs: 5000 })).toBe(true);
  expect(isBorrowed({ dev, mtimeMs: 4000, ctimeMs: 5000 })).toBe(false);
  expect(isBorrowed({ dev, mtimeMs: 5000.25, ctimeMs: 5000.25 })).toBe(false);
});
