/** Whether this process has a user namespace of its own (user_namespaces(7)). */
import { readFileSync } from 'node:fs';

let known: boolean | undefined;

/** True in a user namespace, where overlayfs keeps its marks in user.overlay.* attributes. */
export function inUserNamespace(): boolean {
  // Read once: a process with threads, as Node is, can't enter another one.
  known ??= !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
  return known;
}
