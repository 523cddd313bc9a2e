/**
 * Commands in one process that stays, for tests with many of them: to start wiac takes more of the processor
 * than most of them do. It has the command line, its messages and exit codes, but not what src/start and
 * main.ts do.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import type { Machine, Result } from './wiac.js';
import { buildWith, machine } from './wiac.js';

/** What the process is to do. */
export interface Question {
  readonly words: readonly string[];
  /** Variables that this one has. */
  readonly env: Readonly<Record<string, string>>;
}

/** What came of it; `failed` is the stack of an internal error. */
export type Answer = Result | { readonly failed: string };

/** A process that has to be stopped. */
export interface WarmCommand {
  /** @throws when one runs already, and when the process ends, or meets an internal error */
  readonly wiac: (
    words: readonly string[],
    env?: Readonly<Record<string, string>>,
  ) => Promise<Result>;
  /** Does a command run? */
  readonly isBusy: () => boolean;
  readonly stop: () => Promise<void>;
}

/** Starts the process. @param env variables of all its commands, beside those of this process */
export function startWarm(env: Readonly<Record<string, string>> = {}): WarmCommand {
  const directory = mkdtempSync(join(tmpdir(), 'wiac-warm-'));
  // A container writes to the process's own streams. It has ended when its command has.
  const [stdout, stderr] = [join(directory, 'stdout'), join(directory, 'stderr')];
  const streams = [openSync(stdout, 'a'), openSync(stderr, 'a')];
  const child = fork('dist-checkpoints/warm-child.js', {
    execArgv: [],
    env: { ...process.env, ...env },
    stdio: ['ignore', ...streams, 'ipc'],
  });
  for (const stream of streams) closeSync(stream);
  const ended = once(child, 'exit').then(([code, signal]) => ({
    failed: `the process has ended: ${signal ?? code}: ${readFileSync(stderr, 'utf8')}`,
  }));
  const answerTo = async ({ words, env: own }: Question): Promise<Result> => {
    for (const path of [stdout, stderr]) truncateSync(path);
    const answered = once(child, 'message').then(([answer]) => answer as Answer);
    child.send({ words, env: own } satisfies Question);
    const answer = await Promise.race([answered, ended]);
    if ('failed' in answer) throw new Error(`wiac ${words.join(' ')}: ${answer.failed}`);
    return {
      exitCode: answer.exitCode,
      stdout: answer.stdout + readFileSync(stdout, 'utf8'),
      stderr: answer.stderr + readFileSync(stderr, 'utf8'),
    };
  };
  let isBusy = false;
  return {
    wiac: async (words, own = {}) => {
      // One after the other would be no test of what happens at once.
      if (isBusy) throw new Error('commands at once need processes of their own');
      isBusy = true;
      return answerTo({ words, env: own }).finally(() => {
        isBusy = false;
      });
    },
    isBusy: () => isBusy,
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended;
      rmSync(directory, { recursive: true });
    },
  };
}

/**
 * Declares what starts and stops such a process for a test file.
 * @returns what makes machines, as machine() does. Their commands that come while one runs, and those with a working
 *   directory or input of their own, are processes of their own
 */
export function warmMachines(): () => Machine {
  let warm: WarmCommand;
  beforeAll(() => {
    warm = startWarm();
  });
  afterAll(() => warm.stop());
  return () => {
    const cold = machine();
    const wiac: Machine['wiac'] = (words, options = {}) =>
      options.cwd === undefined && options.input === undefined && !warm.isBusy()
        ? warm.wiac(words, { WIAC_ROOT: cold.root, ...options.env })
        : cold.wiac(words, options);
    return { root: cold.root, wiac, build: buildWith(wiac) };
  };
}
