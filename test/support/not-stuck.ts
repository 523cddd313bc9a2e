/**
 * Commands that never end. A test's timeout says no more than that; what the processes wait for is known as long as
 * they are there.
 */
import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { descendants, readAbout } from './process-facts.js';

/** So long a command may take, in milliseconds, before it is looked at, and so long it is looked at. */
const PATIENCE = 60_000;
const LOOK = 5_000;

/** Fields of /proc/PID/stat behind the name, from proc_pid_stat(5): the ticks that it computed for. */
const UTIME = 11;
const STIME = 12;

function ticks(pid: number): number {
  const fields = readAbout(pid, 'stat').split(') ').at(-1)?.split(' ') ?? [];
  return Number(fields[UTIME] ?? 0) + Number(fields[STIME] ?? 0);
}

/** Has none of them computed anything for a while? */
async function areIdle(pid: number): Promise<boolean> {
  const sum = () => descendants(pid).reduce((total, each) => total + ticks(each), 0);
  const before = sum();
  await setTimeout(LOOK);
  return sum() - before <= 1;
}

/** A line for each thread: what it is called, the kernel's function that it waits in, the call that it made. */
function threads(pid: number): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(`/proc/${pid}/task`);
  } catch {
    return ['  has ended'];
  }
  return names.map((name) => {
    const read = (file: string) => readAbout(pid, `task/${name}/${file}`).trim();
    return `  ${read('comm')}: ${read('wchan')}, system call ${read('syscall')}`;
  });
}

function describe(pid: number): string {
  const command = readAbout(pid, 'cmdline').replaceAll('\0', ' ').trim();
  return [`${pid} ${command}`, ...threads(pid)].join('\n');
}

/** Others that may hold its streams: it has ended, and its parent, and so they are no descendants. */
function others(known: readonly number[]): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && !known.includes(pid))
    .filter((pid) => /wiac-sys|wiac\.cjs/.test(readAbout(pid, 'cmdline')));
}

/**
 * Waits for a command to end.
 * @throws when it computes nothing any more and has not ended; it is killed
 */
export async function notStuck<Result>(
  command: Promise<Result> & { readonly pid?: number | undefined },
  patience = PATIENCE,
): Promise<Result> {
  const ended = new AbortController();
  const watch = async (): Promise<never> => {
    const { pid = 0 } = command;
    do await setTimeout(patience, undefined, { signal: ended.signal });
    while (!(await areIdle(pid)));
    const own = descendants(pid);
    const report = [...own, ...others(own)].map(describe).join('\n');
    // Parents first: one whose child is gone goes on, and may end by itself before its turn.
    for (const each of own) {
      try {
        process.kill(each, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
    throw new Error(`a command does not end:\n${report}`);
  };
  const stuck = watch();
  stuck.catch(() => {});
  try {
    return await Promise.race([command, stuck]);
  } finally {
    ended.abort();
  }
}
