/** Carries out commands that its parent sends, one after the other: see warm-command.ts. */
import { commandHere } from './command-here.js';
import type { Answer, Question } from './warm-command.js';

process.on('message', async ({ words, env }: Question) => {
  const before = { ...process.env };
  Object.assign(process.env, env);
  const answer: Answer = await commandHere(...words).catch((error: Error) => ({
    failed: String(error.stack),
  }));
  for (const name of Object.keys(env)) {
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
  }
  process.send?.(answer);
});
process.on('disconnect', () => process.exit());
