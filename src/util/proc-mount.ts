/** Whether proc(5) is mounted: files are opened through /proc/self/fd, and a missing one would look like a missing file. */
import { existsSync, readlinkSync } from 'node:fs';
import { IsolationError } from './errors.js';

/** @throws IsolationError where there is no /proc, or that of another pid namespace */
export function requireProc(): void {
  if (!existsSync('/proc/self/fd')) {
    throw new IsolationError('wiac needs /proc, which is not mounted here', {
      hint: 'mount -t proc proc /proc',
    });
  }
  // wiac-sys gets files by our number in /proc: there that is somebody else, who has other files open.
  if (readlinkSync('/proc/self') === String(process.pid)) return;
  throw new IsolationError('/proc is that of another pid namespace than the one wiac is in', {
    hint: 'mount -t proc proc /proc, or make the namespace with unshare --mount-proc',
  });
}
