/** --exec: a program that lives as long as the result that it was started with. */

import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** As `docker stop` has it. ms */
const PATIENCE_MS = 10_000;
/** How often it is looked whether all of it has ended. ms */
const POLL_MS = 20;

/** proc_pid_stat(5): the name, which may hold anything, the state, the parent, the group. */
const STATE_AND_GROUP = /\) (\S) -?\d+ (\d+) [^)]*$/;

/** Does a process of the group still run, besides its guard? One that nobody has waited for (zombie) does not. */
function isAlive(group: number, guard: number | undefined): boolean {
  return readdirSync('/proc').some((name) => {
    if (!/^\d+$/.test(name) || Number(name) === guard) return false;
    try {
      const [, state, of] = STATE_AND_GROUP.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      return Number(of) === group && state !== 'Z' && state !== 'X';
    } catch {
      // It has ended meanwhile.
      return false;
    }
  });
}

/**
 * Runs `$0` with its arguments. A process beside it, whose number is told first, reads from a pipe that wiac holds
 * open: when wiac is killed, that ends, and with it the whole process group. It stays while others take their time to
 * end after SIGTERM.
 */
const GUARDED =
  '(trap "" HUP INT TERM; read -r _ <&3; kill -KILL 0) & echo $! >&3; exec 3<&-; exec sh -c "$0" wiac "$@"';

/** The program of --exec, which is started again for each result. */
export interface WatchProgram {
  /** Ends the one that runs, and starts another one. @param lowerdirs of each platform */
  readonly restart: (lowerdirs: readonly string[]) => Promise<void>;
  /** Ends the one that runs. */
  readonly stop: () => Promise<void>;
}

/**
 * @param command for sh(1), with the lowerdir strings as its arguments `$1`, `$2` ...
 * @param onExit told when it has ended by itself, and not well: an exit code, or the name of a signal
 */
export function watchProgram(command: string, onExit: (how: string) => void): WatchProgram {
  /** The process group of the one that runs, and the process in it that guards the others. */
  let running: number | undefined;
  let guard: number | undefined;
  /** Those that were asked to end: that they do is no news. */
  const stopped = new Set<number>();
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (running !== undefined) process.kill(-running, signal);
    } catch {
      // There is none any more.
    }
  };
  // A second Ctrl-C ends wiac at once: nothing goes on without it.
  process.once('exit', () => kill('SIGKILL'));
  const stop = async (): Promise<void> => {
    const group = running;
    if (group === undefined) return;
    stopped.add(group);
    kill('SIGTERM');
    // The shell may end before what it has started.
    const until = performance.now() + PATIENCE_MS;
    while (isAlive(group, guard) && performance.now() < until) await sleep(POLL_MS);
    kill('SIGKILL');
    running = undefined;
  };
  const start = (lowerdirs: readonly string[]): void => {
    // A process group of its own: what the shell starts ends with it.
    const child = spawn('sh', ['-c', GUARDED, command, ...lowerdirs], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
    });
    const { pid } = child;
    running = pid;
    guard = undefined;
    // The end of the pipe is no news.
    child.stdio[3]?.once('error', () => {});
    child.stdio[3]?.once('data', (number) => {
      if (running === pid) guard = Number(number);
    });
    child.once('error', (error) => onExit(error.message));
    child.once('exit', (code, signal) => {
      if (pid === undefined || stopped.delete(pid)) return;
      // Its number may be that of somebody else's processes soon: the guard keeps it.
      if (!isAlive(pid, undefined)) running = undefined;
      if (code !== 0) onExit(signal ?? `exit code ${code}`);
    });
  };
  return {
    stop,
    async restart(lowerdirs) {
      await stop();
      start(lowerdirs);
    },
  };
}
