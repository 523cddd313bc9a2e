/** Which process holds something: a pid alone is used again, so its start time and boot count too. */
import { readFileSync } from 'node:fs';
import type { LeaseRecord } from './records.js';

function readStartTime(pid: number | 'self'): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in parentheses and may itself hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** Differs from boot to boot. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** The identity of this process. */
export function ownIdentity(): LeaseRecord {
  return { pid: process.pid, startTime: readStartTime('self') ?? '', bootId: readBootId() };
}

/** Is the process that left this identity still there? */
export function isAlive(identity: LeaseRecord): boolean {
  return identity.bootId === readBootId() && readStartTime(identity.pid) === identity.startTime;
}

/** An identity as part of a file name. */
export function identitySuffix({ pid, startTime, bootId }: LeaseRecord): string {
  return `${pid}.${startTime}.${bootId}`;
}

/** The reverse of identitySuffix; undefined for a name that holds none. */
export function parseIdentitySuffix(name: string): LeaseRecord | undefined {
  const match = /(\d+)\.(\d+)\.([0-9a-f-]{36})$/.exec(name);
  const [, pid, startTime, bootId] = match ?? [];
  if (pid === undefined || startTime === undefined || bootId === undefined) return undefined;
  return { pid: Number(pid), startTime, bootId };
}
