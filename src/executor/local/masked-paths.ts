/** What of this machine's /proc and /sys containers do not see, or see without changing it. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Docker's and containerd's own lists, as of November 2026: what these say is nobody's business ... */
export const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  // When keys are pressed, and how often each device has something to say.
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  // How much energy others use tells what they compute.
  '/sys/devices/virtual/powercap',
];

/** ... and these change the running machine. */
export const PROTECTED = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const CPUS = '/sys/devices/system/cpu';

/**
 * Counters of a CPU that got too hot, which tell what others compute. Virtual machines have none.
 * @param directory of all CPUs
 */
export function thermalPaths(directory = CPUS): string[] {
  let names: string[];
  try {
    names = readdirSync(directory).filter((name) => /^cpu\d+$/.test(name));
  } catch {
    return [];
  }
  return names
    .filter((name) => {
      try {
        return readdirSync(join(directory, name)).includes('thermal_throttle');
      } catch {
        return false;
      }
    })
    .map((name) => join(directory, name, 'thermal_throttle'));
}

let found: readonly string[] | undefined;

/** All that this machine has to hide; looked for once. */
export function maskedPaths(): readonly string[] {
  found ??= [...MASKED, ...thermalPaths()];
  return found;
}
