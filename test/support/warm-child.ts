/** Carries out commands that its parent sends, one after the other: see warm-command.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { commandHere } from './command-here.js';
import { openBelow } from './open-below.js';
import type { Answer, Question } from './warm-command.js';

/** How long a stream that was destroyed may take to close its file. */
const TRIES = 250;
const PAUSE_MS = 20;

/** What is still open below a directory when streams have had their time. */
async function leftOpen(directory: string): Promise<string[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (openBelow(directory).length === 0) return [];
    await sleep(PAUSE_MS);
  }
  return openBelow(directory);
}

/** @throws when the command has not closed what it opened in its store: a program that lives long would run out */
async function carryOut({ words, env }: Question): Promise<Answer> {
  const result = await commandHere(...words);
  const left = env.WIAC_ROOT === undefined ? [] : await leftOpen(env.WIAC_ROOT);
  if (left.length > 0) throw new Error(`it has ended, and still holds ${left.join(', ')}`);
  return result;
}

process.on('message', async (question: Question) => {
  const before = { ...process.env };
  Object.assign(process.env, question.env);
  const answer: Answer = await carryOut(question).catch((error: Error) => ({
    failed: String(error.stack),
  }));
  for (const name of Object.keys(question.env)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  process.send?.(answer);
});
process.on('disconnect', () => process.exit());
