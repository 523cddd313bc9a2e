/** Which files this process, or a thread of it, holds open. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Paths of open files below a directory, and of the directory itself; also of those that were removed since. */
export function openBelow(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return `${path}/`.startsWith(directory.replace(/\/?$/, '/')) ? [path] : [];
    } catch {
      // It was closed between the two calls.
      return [];
    }
  });
}
