/** A Debian with nothing of the machine that runs the tests: what is installed in it is all that it has. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { debianArchive } from './debian-archive.js';

/** What minbase has beyond apt and what that needs, and what debianArchive() adds. */
const NOT_EVERYWHERE =
  'e2fsprogs iputils-ping libcap2-bin libcom-err2 libext2fs2 libss2 logsave mount tzdata'.split(
    ' ',
  );

/** Makes a Debian that has apt and what that needs: in every Debian there is as much. @param to is created */
export async function makeDebianRoot(to: string): Promise<void> {
  const archive = await debianArchive();
  mkdirSync(to);
  await execa('tar', ['-xpf', archive, '-C', to, '--numeric-owner', '--xattrs-include=*']);
  await execa('chroot', [to, 'dpkg', '--purge', ...NOT_EVERYWHERE]);
}

/** Another one with the same files. */
export async function copyRoot(from: string, to: string): Promise<void> {
  mkdirSync(to);
  await execa('cp', ['-a', '--reflink=auto', `${from}/.`, to]);
}

/** Makes a root the root of a mount namespace of its own, as that of a container is. */
const ENTER = `
mount --bind "$0" "$0" && cd "$0"
mount -t proc proc proc && mount --rbind /dev dev && mount -t sysfs sys sys
mkdir .old && pivot_root . .old && cd /
/.old/bin/busybox umount -l /.old && rmdir /.old
exec env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
`;

/** Runs a program in a root. @returns its output, without regard of its exit code */
export function runIn(root: string, ...command: readonly string[]) {
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--propagation=private'];
  return execa('unshare', [...namespaces, 'sh', '-ec', ENTER, root, ...command], { reject: false });
}

/** A build context in a root, at /context. Its shell is this machine's busybox. */
export function addContext(root: string): void {
  mkdirSync(join(root, 'context/bin'), { recursive: true });
  cpSync('/bin/busybox', join(root, 'context/bin/sh'));
  const lines = ['FROM scratch', 'COPY bin /bin', 'RUN echo hello > /file', ''];
  writeFileSync(join(root, 'context/Dockerfile'), lines.join('\n'));
}
