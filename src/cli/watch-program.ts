/** --exec: a program that lives as long as the result that it was started with. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** As `docker stop` has it. ms */
const PATIENCE_MS = 10_000;

/** The program of --exec, which is started again for each result. */
export interface WatchProgram {
  /** Ends the one that runs, and starts another one. @param lowerdirs of each platform */
  readonly restart: (lowerdirs: readonly string[]) => Promise<void>;
  /** Ends the one that runs. */
  readonly stop: () => Promise<void>;
}

/**
 * @param command for sh(1), with the lowerdir strings as its arguments `$1`, `$2` ...
 * @param onExit told when it has ended by itself: an exit code, or the name of a signal
 */
export function watchProgram(command: string, onExit: (how: string) => void): WatchProgram {
  let stopRunning = async (): Promise<void> => {};
  const stop = async (): Promise<void> => {
    const end = stopRunning;
    stopRunning = async () => {};
    await end();
  };
  const start = (lowerdirs: readonly string[]): void => {
    // A process group of its own: what the shell starts ends with it.
    const child = spawn('sh', ['-c', command, 'wiac', ...lowerdirs], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const ended = once(child, 'exit');
    let isStopped = false;
    const kill = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // There is none any more.
      }
    };
    child.once('error', (error) => onExit(error.message));
    child.once('exit', (code, signal) => {
      if (!isStopped) onExit(signal ?? `exit code ${code}`);
    });
    stopRunning = async () => {
      isStopped = true;
      kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
        await Promise.race([ended, sleep(PATIENCE_MS, undefined, { ref: false })]);
      kill('SIGKILL');
    };
  };
  return {
    stop,
    async restart(lowerdirs) {
      await stop();
      start(lowerdirs);
    },
  };
}
