/** A file system without layers, as of `FROM scratch`, has a root all the same: an empty directory. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from './stack.js';

/**
 * @param scratch makes a directory of this process, which goes with it
 * @returns the stack, or one of an empty directory
 */
export function rootedStack(stack: Stack, scratch: () => string): Stack {
  if (stack.length > 0) return stack;
  const path = join(scratch(), 'nothing');
  mkdirSync(path, { recursive: true });
  // Whatever the umask is: COPY keeps the mode.
  chmodSync(path, 0o755);
  return [{ path, opaque: new Set(), withoutXattrs: true }];
}
