/** Which boot of the machine this is. */
import { readFileSync } from 'node:fs';

/** Differs from boot to boot. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}
