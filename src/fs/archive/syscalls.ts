/**
 * System calls that Node doesn't have: mknod, lsetxattr, and utimensat with nanoseconds (a double,
 * which Node's utimes takes, is 240 ns wide today). One perl process carries out a list of them,
 * as src/executor/local/enter.pl does for containers; setfattr(1) would be a second process, has no exact
 * times, and stops at names with a newline.
 */
import { spawnSync } from 'node:child_process';
import { ImageError } from '../../oci/image-error.js';
import type { ByteString, TarTime } from '../../oci/tar/entry.js';
import { display } from '../../oci/tar/entry.js';
import { IsolationError } from '../../util/errors.js';

export type SystemCall =
  | {
      readonly call: 'mknod';
      readonly path: ByteString;
      readonly type: 'char' | 'block' | 'fifo' | 'socket';
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      /** As mknod(2) takes it; 0 for fifos and sockets. */
      readonly device: number;
    }
  | {
      readonly call: 'setxattr';
      readonly path: ByteString;
      readonly name: ByteString;
      readonly value: ByteString;
    }
  | { readonly call: 'utime'; readonly path: ByteString; readonly time: TarTime };

const TYPE_BITS = { char: 0o020000, block: 0o060000, fifo: 0o010000, socket: 0o140000 } as const;

/** Reads fields of one call each, ended by NUL; ends at the first call that fails. */
const SCRIPT = `
use strict; use warnings;
my %numbers = (x64 => [259, 189, 280], arm64 => [33, 6, 88]);
my $n = $numbers{$ARGV[0]} or die "no system call numbers for $ARGV[0]\\n";
my ($MKNODAT, $LSETXATTR, $UTIMENSAT) = @$n;
my ($AT_FDCWD, $NOFOLLOW, $OMIT) = (-100, 0x100, 0x3ffffffe);
binmode STDIN; $/ = "\\0";
sub field { my $f = <STDIN>; chomp $f; return $f }
opendir(my $top, '.') or die "opendir: $!\\n";
while (defined(my $call = <STDIN>)) {
  chomp $call;
  my $name = field();
  my $path = $name;
  my $ok;
  # The kernel takes 4096 bytes at once.
  my $far = 0;
  while (length $path > 4000 && $path =~ s{^(.{1,3900})/}{}s) { chdir $1; $far = 1 }
  if ($call eq 'mknod') {
    my ($mode, $dev, $uid, $gid) = map { field() + 0 } 1 .. 4;
    $ok = syscall($MKNODAT, $AT_FDCWD, $path, $mode, $dev) != -1
      && chown($uid, $gid, $path) && chmod($mode & 07777, $path);
  } elsif ($call eq 'setxattr') {
    my ($name, $value) = (field(), pack('H*', field()));
    $ok = syscall($LSETXATTR, $path, $name, $value, length $value, 0) != -1;
  } else {
    my ($seconds, $nanoseconds) = map { field() + 0 } 1 .. 2;
    my $times = pack('q4', 0, $OMIT, $seconds, $nanoseconds);
    $ok = syscall($UTIMENSAT, $AT_FDCWD, $path, $times, $NOFOLLOW) != -1;
  }
  my $reason = $!;
  chdir $top if $far;
  next if $ok;
  print $call, "\\0", unpack('H*', $name), "\\0", $reason;
  exit 3;
}
`;

/** Linux's encoding of a device number in mknod(2). */
export function deviceNumber(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

function fields(call: SystemCall): (string | number)[] {
  switch (call.call) {
    case 'mknod': {
      const { type, mode, uid, gid, device } = call;
      return [TYPE_BITS[type] | mode, device, uid, gid];
    }
    case 'setxattr':
      return [call.name, Buffer.from(call.value, 'latin1').toString('hex')];
    case 'utime':
      return [call.time.seconds, call.time.nanoseconds];
  }
}

function failure(stdout: string, calls: readonly SystemCall[]): string {
  const [name, hexPath = '', reason = ''] = stdout.split('\0');
  const path = Buffer.from(hexPath, 'hex').toString('latin1');
  const call = calls.find((one) => one.path === path && one.call === name);
  const what = call?.call === 'setxattr' ? `setxattr ${display(call.name)}` : name;
  return `${what} of ${display(path)}: ${reason}`;
}

/** @throws ImageError: a NUL byte would end the field, and what follows be another call */
function encode(call: SystemCall): string {
  const values = [call.call, call.path, ...fields(call)].map(String);
  if (values.some((value) => value.includes('\0'))) {
    throw new ImageError('the archive holds a name with a NUL byte');
  }
  return [...values, ''].join('\0');
}

/**
 * Carries the calls out, in order. It waits: what the archive holds next may build on them.
 * @param directory where the calls' relative paths start; no component but the last may be a
 *   symlink
 * @throws ImageError when a name has a NUL byte or a call fails, IsolationError when perl can't be started
 */
export function runSystemCalls(directory: string, calls: readonly SystemCall[]): void {
  if (calls.length === 0) return;
  const input = calls.map(encode).join('');
  const result = spawnSync('perl', ['-e', SCRIPT, process.arch], {
    cwd: directory,
    input: Buffer.from(input, 'latin1'),
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  if (result.status === 0) return;
  if (result.status !== 3) {
    const reason = result.error?.message ?? result.stderr.toString().trim();
    throw new IsolationError(`perl, which sets up a layer's files, failed: ${reason}`, {
      hint: 'install perl-base',
      cause: result.error,
    });
  }
  throw new ImageError(`cannot unpack the layer: ${failure(result.stdout.toString(), calls)}`, {
    hint: 'the file system of the store must support what the image uses (extended attributes, devices)',
  });
}
