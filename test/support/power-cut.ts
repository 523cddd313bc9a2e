/**
 * A disk whose power can be cut: an ext4 file system in a file. What the kernel has not written back
 * when the file is copied is not in the copy; mounting that is what happens after a power cut, with
 * the replay of ext4's journal. Another boot is a boot id of its own in a mount namespace.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Result } from './wiac.js';
import { tempDir, WIAC } from './wiac.js';

/** A machine before the power cut; `cut` gives the one after it. */
export interface Disk {
  /** Where the file system is mounted. */
  readonly path: string;
  /** Runs wiac with the store on this disk. */
  readonly wiac: (
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => Promise<Result>;
  readonly cut: () => Promise<Disk>;
  readonly remove: () => Promise<void>;
}

/** Shows another boot id, then becomes wiac. */
const BOOT = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"';

async function mountDisk(image: string, directory: string, boot: number): Promise<Disk> {
  const path = join(directory, `mnt${boot}`);
  mkdirSync(path);
  await execa('mount', ['-o', 'loop', image, path]);
  const bootId = join(directory, `boot${boot}`);
  writeFileSync(bootId, `${String(boot).repeat(8)}-2222-3333-4444-555555555555\n`);
  return {
    path,
    wiac: async (args, env = {}) => {
      const command = ['sh', '-c', BOOT, 'sh', bootId, process.execPath, WIAC, ...args];
      const { exitCode, stdout, stderr } = await execa('unshare', ['--mount', ...command], {
        reject: false,
        stripFinalNewline: false,
        stdin: 'ignore',
        env: { WIAC_ROOT: join(path, 'store'), ...env },
      });
      return { exitCode, stdout, stderr };
    },
    cut: async () => {
      const copy = join(directory, `disk${boot + 1}`);
      await execa('cp', ['--sparse=always', image, copy]);
      return mountDisk(copy, directory, boot + 1);
    },
    remove: async () => {
      await execa('umount', [path]);
    },
  };
}

/** An empty disk. @param size as truncate(1) takes it */
export async function emptyDisk(size = '64M'): Promise<Disk> {
  const directory = tempDir();
  const image = join(directory, 'disk1');
  await execa('truncate', ['-s', size, image]);
  await execa('mkfs.ext4', ['-q', '-F', image]);
  return mountDisk(image, directory, 1);
}
