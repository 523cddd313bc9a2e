/** Carries out commands that its parent sends, one after the other: see warm-command.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { commandHere } from './command-here.js';
import { openBelow } from './open-below.js';
import type { Answer, Question } from './warm-command.js';

/** Not of disks. */
const KERNEL = /^\/(dev|proc|sys)\//;

/** How long a stream that was destroyed may take to close its file. */
const TRIES = 250;
const PAUSE_MS = 20;

/** Files and directories of disks that this process began with: its streams. */
const FIRST = new Set(openBelow('/'));

/** What else is still open when streams have had their time. */
async function leftOpen(): Promise<string[]> {
  const find = () => openBelow('/').filter((path) => !FIRST.has(path) && !KERNEL.test(path));
  for (let tries = 0; tries < TRIES && find().length > 0; tries++) await sleep(PAUSE_MS);
  return find();
}

/** @throws when the command has not closed what it opened: a program that lives long would run out */
async function carryOut({ words }: Question): Promise<Answer> {
  const result = await commandHere(...words);
  const left = await leftOpen();
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
