/** Runs the command again in a process of its own, where this one can't go on. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { IndexReplacedError } from '../store/index-replaced.js';
import { storePaths, storeRoot } from '../store/paths.js';
import { PidTakenError } from '../store/pins/live-process.js';
import { IndexDamagedError, suspectIndex } from '../store/recovery/index-damage.js';
import { selfCommand } from '../util/self-command.js';

/** How often the command has been run again, by what it was that stopped it. */
const COUNTERS = { pid: 'WIAC_PID_TRIES', index: 'WIAC_INDEX_TRIES' } as const;

/** Two containers hardly count up to the same pid so often; an index is made again once. */
const MOST = { pid: 50, index: 3 } as const;

/** Two that stand in each other's way must not go on in step. ms */
const PAUSE_MS = 100;

type Reason = keyof typeof COUNTERS;

/** Does running the command again help? */
function reasonFor(error: unknown): Reason | undefined {
  if (error instanceof PidTakenError) return 'pid';
  if (error instanceof IndexDamagedError || error instanceof IndexReplacedError) return 'index';
  return undefined;
}

/** @returns the command's exit code */
async function runSelf(env: NodeJS.ProcessEnv): Promise<number> {
  const [program, ...args] = await selfCommand();
  const child = spawn(program, args, { stdio: 'inherit', env });
  // The terminal sends these to both; the one that does the work decides.
  for (const name of ['SIGINT', 'SIGQUIT'] as const) process.on(name, () => {});
  for (const name of ['SIGTERM', 'SIGHUP'] as const) process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/**
 * Runs this command once more, with everything it was given, when another process has its pid, or
 * when the index is damaged: the next one finds that out and makes it again.
 * @returns its exit code; undefined when that would not help, or was tried too often
 */
export async function runAgain(error: unknown): Promise<number | undefined> {
  const reason = reasonFor(error);
  if (reason === undefined) return undefined;
  const { env } = process;
  const tries = Number(env[COUNTERS[reason]] ?? 0);
  if (tries >= MOST[reason]) return undefined;
  if (error instanceof IndexDamagedError)
    suspectIndex(storePaths(storeRoot(env, process.getuid?.() === 0)));
  await new Promise((resume) => setTimeout(resume, Math.random() * PAUSE_MS));
  return runSelf({ ...env, [COUNTERS[reason]]: String(tries + 1) });
}
