/** A context with perl, for programs that need system calls; and their numbers. */
import { join } from 'node:path';
import { execa } from 'execa';
import { systemCalls } from '../../src/executor/seccomp/system-calls.js';
import { context, dockerfile, tempDir, WIAC } from './wiac.js';

/** Numbers of system calls for perl's syscall(). */
export const SYSCALLS: Readonly<Record<string, number>> = Object.fromEntries(
  systemCalls(process.arch === 'arm64' ? 'arm64' : 'x64'),
);

/** The lines come after those that bring /bin and perl. */
export async function perlContext(
  files: Readonly<Record<string, string>>,
  ...lines: string[]
): Promise<string> {
  const root = context({ ...files, Dockerfile: dockerfile('COPY tools/diff /', ...lines) });
  const argv = [WIAC, 'copy', '--libs', join(root, 'tools'), '/usr/bin/perl', '/usr/bin/perl'];
  await execa(process.execPath, argv, { env: { WIAC_ROOT: join(tempDir(), 'store') } });
  return root;
}
