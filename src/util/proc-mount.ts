/** Whether proc(5) is mounted: files are opened through /proc/self/fd, and a missing one would look like a missing file. */
import { existsSync } from 'node:fs';
import { IsolationError } from './errors.js';

/** @throws IsolationError where there is no /proc */
export function requireProc(): void {
  if (existsSync('/proc/self/fd')) return;
  throw new IsolationError('wiac needs /proc, which is not mounted here', {
    hint: 'mount -t proc proc /proc',
  });
}
