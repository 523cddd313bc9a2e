/**
 * Names for what a process makes outside of the store and removes when it ends. A process that finds such a
 * name can tell whether its process was killed before it could do that.
 */
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { inUserNamespace } from './user-namespace.js';

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

/** Of the pid namespace that all others are below (PROC_PID_INIT_INO of linux/proc_ns.h). */
const INITIAL = '4026531836';

/** A process with one number is in none below; everybody may read that of every process. */
function isInitial(pid: string): boolean {
  return /^NSpid:\t\d+$/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
}

/** The pid namespace of a process, seen from the initial one; undefined when it has ended. @throws Error when that is not to be known */
function namespaceOf(pid: string): string | undefined {
  try {
    return /\d+/.exec(readlinkSync(`/proc/${pid}/ns/pid`))?.[0];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    // It may have more rights than root has here.
    if (code === 'EACCES' && isInitial(pid)) return INITIAL;
    throw error;
  }
}

/** All pid namespaces with processes; undefined where some may not be seen. */
function liveNamespaces(): ReadonlySet<string | undefined> | undefined {
  if (pidNamespace() !== INITIAL || process.geteuid?.() !== 0 || inUserNamespace())
    return undefined;
  try {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return new Set(pids.map(namespaceOf));
  } catch {
    return undefined;
  }
}

/**
 * The same for what no other machine has made, such as control groups: also names of pid namespaces that are gone, as of
 * a container. Root sees the processes of all of them, outside of any.
 * @param names that were there before this was called
 */
export function abandonedHere(names: readonly string[]): string[] {
  const here = pidNamespace();
  const others = names.filter((name) => {
    const namespace = NAME.exec(name)?.[1];
    return namespace !== undefined && namespace !== here;
  });
  const live = others.length > 0 ? liveNamespaces() : undefined;
  const gone = live ? others.filter((name) => !live.has(NAME.exec(name)?.[1])) : [];
  return [...abandonedNames(names), ...gone];
}

/** Is it a name of this kind? */
export function isProcessName(name: string): boolean {
  return NAME.test(name);
}
