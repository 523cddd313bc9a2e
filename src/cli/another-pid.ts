/** Runs the command again, in a process with another pid: see PidTakenError. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** How often the command has been run again. */
const TRIES = 'WIAC_PID_TRIES';

/** As many times two containers hardly count up to the same pid. */
const MOST_TRIES = 50;

/** Two that stand in each other's way must not go on in step. ms */
const PAUSE_MS = 100;

/**
 * Runs this command once more, with everything it was given.
 * @returns its exit code; undefined when it was tried too often
 */
export async function runWithAnotherPid(): Promise<number | undefined> {
  const tries = Number(process.env[TRIES] ?? 0);
  if (tries >= MOST_TRIES) return undefined;
  await new Promise((resume) => setTimeout(resume, Math.random() * PAUSE_MS));
  const { argv, execPath, execArgv } = process;
  const child = spawn(execPath, [...execArgv, ...argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [TRIES]: String(tries + 1) },
  });
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
