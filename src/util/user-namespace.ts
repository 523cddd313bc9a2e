/** Whether this process has a user namespace of its own (user_namespaces(7)). */
import { readFileSync } from 'node:fs';

/** True in a user namespace, where overlayfs keeps its marks in user.overlay.* attributes. */
export function inUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
}
