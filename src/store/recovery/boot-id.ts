/** Which boot of the machine this is, and how long ago it was. */
import { readFileSync } from 'node:fs';

let known: string | undefined;

/** Differs from boot to boot. Read once: no process outlives its boot. */
export function readBootId(): string {
  known ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return known;
}

/** ms since the boot: the same for all processes, and no clock that can be set. */
export function sinceBoot(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
