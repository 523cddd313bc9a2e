/** What /proc says of processes that may end meanwhile. */
import { readFileSync } from 'node:fs';

/** A file of a process; empty when that has ended. */
export function readAbout(pid: number | string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}

/** The process and all that it started, in any pid namespace. */
export function descendants(of: number): number[] {
  const children = readAbout(of, `task/${of}/children`);
  return [of, ...children.split(' ').filter(Boolean).map(Number).flatMap(descendants)];
}
