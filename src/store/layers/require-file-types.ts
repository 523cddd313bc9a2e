/** overlayfs needs a file system that says in a directory of which type each entry is. */
import { checkpoint } from '../../util/checkpoint.js';
import { StoreError } from '../../util/errors.js';
import type { StorePaths } from '../paths.js';

/**
 * Prints the type (d_type of getdents64(2)) of the entry that it makes in the directory: 0 where the
 * file system does not keep it. Node looks the type up in the file itself then, and never says so.
 */
const SCRIPT = `
use strict; use warnings;
my %numbers = (x64 => 217, arm64 => 61);
my ($arch, $path) = @ARGV;
my $number = $numbers{$arch} or die "no system call numbers for $arch\\n";
open(my $file, '>', "$path/probe") or die "$path/probe: $!\\n";
opendir(my $directory, $path) or die "$path: $!\\n";
my $buffer = "\\0" x 4096;
my $length = syscall($number, fileno($directory), $buffer, length $buffer);
die "getdents64: $!\\n" if $length < 0;
for (my $at = 0; $at < $length; ) {
  my (undef, undef, $size, $type, $name) = unpack('q q S C Z*', substr($buffer, $at));
  print $type if $name eq 'probe';
  $at += $size;
}
`;

/**
 * Looks with a directory in tmp/ that has the name of this process: after a kill it is cleared away.
 * @throws StoreError when the file system of the store does not know types of entries
 */
export async function requireFileTypes({ tmp, self }: StorePaths): Promise<void> {
  const [{ spawnSync }, { mkdirSync, rmSync }, { join }] = await Promise.all([
    import('node:child_process'),
    import('node:fs'),
    import('node:path'),
  ]);
  const path = join(tmp, `types.${self.id}`);
  try {
    mkdirSync(path);
    checkpoint('store:probed');
    const { stdout } = spawnSync('perl', ['-e', SCRIPT, process.arch, path], { encoding: 'utf8' });
    if (stdout !== '0') return;
    throw new StoreError(`the file system of ${tmp} has no file types in its directories`, {
      hint: 'overlayfs needs them: format the file system with them (mkfs.ext4 -O filetype, mkfs.xfs -n ftype=1), or set WIAC_ROOT to a directory on another one',
    });
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
