/**
 * A disk whose power can be cut: a file system in a file. What the kernel has not written back
 * when the file is copied is not in the copy; mounting that is what happens after a power cut, with
 * the replay of its journal. Another boot is a boot id of its own in a mount namespace.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Result } from './wiac.js';
import { tempDir, WIAC } from './wiac.js';

/** A machine before the power cut; `cut` gives the one after it. */
export interface Disk {
  /** Where the file system is mounted. */
  readonly path: string;
  /** Runs wiac with the store on this disk. `under`: a program that runs it. */
  readonly wiac: (
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
    under?: readonly string[],
  ) => Promise<Result>;
  readonly cut: () => Promise<Disk>;
  /** The one whose cable came off, and which is mounted again within the boot. */
  readonly unplug: () => Promise<Disk>;
  readonly remove: () => Promise<void>;
}

const KINDS = {
  ext4: { make: ['mkfs.ext4', '-q', '-F'], options: 'loop' },
  // Two file systems with one id are mounted.
  xfs: { make: ['mkfs.xfs', '-q', '-f'], options: 'loop,nouuid' },
} as const;

/** Of a file system. */
export type DiskKind = keyof typeof KINDS;

/** Shows another boot id, and how much is not on disk, then becomes wiac. */
const BOOT =
  'mount --bind "$1" /proc/sys/kernel/random/boot_id && mount --bind "$2" /proc/meminfo && shift 2 && exec "$@"';

/** What /proc/meminfo says, but for what other tests have written a moment ago. */
function meminfo(dirtyBytes: number): string {
  return readFileSync('/proc/meminfo', 'utf8')
    .replace(/^Dirty:.*$/m, `Dirty: ${Math.ceil(dirtyBytes / 1024)} kB`)
    .replace(/^Writeback:.*$/m, 'Writeback: 0 kB');
}

async function mountDisk(
  image: string,
  directory: string,
  kind: DiskKind,
  dirtyBytes: number,
  boot: number,
  mount = boot,
): Promise<Disk> {
  const path = join(directory, `mnt${mount}`);
  mkdirSync(path);
  await execa('mount', ['-o', KINDS[kind].options, image, path]);
  const bootId = join(directory, `boot${boot}`);
  writeFileSync(bootId, `${String(boot).repeat(8)}-2222-3333-4444-555555555555\n`);
  const memory = join(directory, `meminfo${boot}`);
  writeFileSync(memory, meminfo(dirtyBytes));
  const copyDisk = async () => {
    const copy = join(directory, `disk${mount + 1}`);
    await execa('cp', ['--sparse=always', image, copy]);
    return copy;
  };
  return {
    path,
    wiac: async (args, env = {}, under = []) => {
      const command = [
        'sh',
        '-c',
        BOOT,
        'sh',
        bootId,
        memory,
        ...under,
        process.execPath,
        WIAC,
        ...args,
      ];
      const { exitCode, stdout, stderr } = await execa('unshare', ['--mount', ...command], {
        reject: false,
        stripFinalNewline: false,
        stdin: 'ignore',
        env: { WIAC_ROOT: join(path, 'store'), ...env },
      });
      return { exitCode, stdout, stderr };
    },
    cut: async () => mountDisk(await copyDisk(), directory, kind, dirtyBytes, boot + 1, mount + 1),
    unplug: async () => mountDisk(await copyDisk(), directory, kind, dirtyBytes, boot, mount + 1),
    remove: async () => {
      await execa('umount', [path]);
    },
  };
}

/**
 * An empty disk.
 * @param size as truncate(1) takes it
 * @param dirtyBytes what the kernel says that is not on disk yet, of all file systems
 */
export async function emptyDisk(
  size = '64M',
  kind: DiskKind = 'ext4',
  dirtyBytes = 0,
): Promise<Disk> {
  const directory = tempDir();
  const image = join(directory, 'disk1');
  await execa('truncate', ['-s', size, image]);
  const [program, ...args] = KINDS[kind].make;
  await execa(program, [...args, image]);
  return mountDisk(image, directory, kind, dirtyBytes, 1);
}
