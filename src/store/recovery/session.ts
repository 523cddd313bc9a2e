/**
 * What the kernel still has, it has until the machine goes down, or the file system of the store: a disk that gives
 * errors, or whose cable comes off, is mounted again within one boot. A session is a boot of the machine and,
 * where the kernel tells one from the other, a mount of the file system in it.
 */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Begins with the boot id; after a `/` follows which mount it is. */
export type Session = string;

/** Their file systems have a directory each in /sys/fs, made anew with each mount. */
const TOLD = ['ext4', 'xfs', 'f2fs'];

/** The block device of a file system, as the kernel calls it. Throws where there is none. */
function deviceOf(path: string): string {
  const { dev } = statSync(path, { bigint: true });
  const major = (dev >> 8n) & 0xfffn;
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n);
  return basename(readlinkSync(`/sys/dev/block/${major}:${minor}`));
}

/** Number of the mount: the same in all mount namespaces and for all bind mounts, and never used again. */
function mountOf(path: string): bigint | undefined {
  try {
    const device = deviceOf(path);
    for (const kind of TOLD) {
      const found = statSync(join('/sys/fs', kind, device), {
        bigint: true,
        throwIfNoEntry: false,
      });
      if (found) return found.ino;
    }
  } catch {
    // No block device, or a container without /sys.
  }
  return undefined;
}

/** The session of a store. @param root a process that has a file open there stays in it */
export function readSession(root: string): Session {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  const mount = mountOf(root);
  return mount === undefined ? boot : `${boot}/${mount}`;
}

/** Id of the boot. */
export function bootOf(session: Session): string {
  return session.split('/', 1)[0] ?? session;
}

/** False only when it is certain: a process may not see which mount it is. */
export function isSameSession(a: Session, b: Session): boolean {
  return a === b || (bootOf(a) === bootOf(b) && (a === bootOf(a) || b === bootOf(b)));
}

/** ms since the boot: the same for all processes, and no clock that can be set. */
export function sinceBoot(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
