/**
 * Names for what a process makes outside of the store and removes when it ends. A process that finds such a
 * name can tell whether its process was killed before it could do that.
 */
import { randomInt } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';

/** So that the names of one process differ. */
const MAX_NUMBER = 2 ** 32;

/** `wiac-`, inode of a pid namespace, pid in it, start of that process in ticks, any number. */
const NAME = /^wiac-(\d+)-(\d+)-(\d+)-\d+$/;

function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
}

/** Field 22 of /proc/PID/stat. @returns undefined when there is no such process */
function getStart(pid: number | 'self'): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is a name in parentheses, which may hold blanks.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

let own: string | undefined;

/** A new name of this process. */
export function processName(): string {
  own ??= `wiac-${pidNamespace()}-${process.pid}-${getStart('self')}`;
  return `${own}-${randomInt(MAX_NUMBER)}`;
}

/**
 * Tells which names are those of processes that have ended. For another pid namespace this is unknown:
 * its names are left alone.
 */
export function abandonedNames(names: readonly string[]): string[] {
  const here = pidNamespace();
  return names.filter((name) => {
    const [, namespace, pid, start] = NAME.exec(name) ?? [];
    return namespace === here && getStart(Number(pid)) !== start;
  });
}

/** Is it a name of this kind? */
export function isProcessName(name: string): boolean {
  return NAME.test(name);
}
