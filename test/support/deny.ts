/** Programs for whom system calls are not there: machines with old kernels, and sandboxes that hide calls. */
import { join } from 'node:path';
import { execa } from 'execa';
import { tempDir } from './wiac.js';

/** As errno(3) has them. */
export const ENODEV = 19;
export const ENOSYS = 38;

/** Numbers of Linux: those above 423 are the same for every architecture. */
export const CALLS = {
  mount: process.arch === 'arm64' ? 40 : 165,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fspick: 433,
  pidfd_open: 434,
  clone3: 435,
  close_range: 436,
  openat2: 437,
  mount_setattr: 442,
} as const;

/** Compiles deny.c. @returns begins a command line: what follows gets the error from these calls */
export async function compileDeny(): Promise<
  (error: number, ...calls: readonly (number | string)[]) => string[]
> {
  const program = join(tempDir(), 'deny');
  await execa('cc', ['-O1', '-o', program, 'test/support/deny.c']);
  return (error, ...calls) => [program, `${error}`, ...calls.map(String), '--'];
}
