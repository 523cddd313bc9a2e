// npm run bench:watch: from the save of a file to the first step that runs, in a context of 20,000 files that
// `wiac build --watch` builds again, as its events tell of it.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { filesContext } from './contexts.js';
import { markdownTable, median, workDirectory } from './harness.js';

const directory = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const WIAC = join(directory, '../dist/wiac.cjs');
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 20);
const TARGET_MS = 200;
const work = workDirectory();
const context = join(work, 'context');
mkdirSync(context);
filesContext(context);

const child = spawn(WIAC, ['build', '--watch', '--progress=json', context], {
  env: { ...process.env, WIAC_ROOT: join(work, 'store') },
  stdio: ['ignore', 'ignore', 'pipe'],
});
process.on('exit', () => child.kill('SIGKILL'));
const lines = createInterface({ input: child.stderr })[Symbol.asyncIterator]();

/** When the next event of a type came. ms */
async function eventOf(type) {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error('the build has ended');
    if (value.startsWith(`{"type":"${type}"`)) return performance.now();
  }
}

await eventOf('built');
const firsts = [];
const wholes = [];
for (let round = 0; round < ROUNDS; round++) {
  // A person's save: nothing else is going on.
  await new Promise((resume) => setTimeout(resume, 300));
  const saved = performance.now();
  writeFileSync(join(context, `src/folder${round}/file${round}.txt`), `round ${round}\n`);
  firsts.push((await eventOf('started')) - saved);
  wholes.push((await eventOf('built')) - saved);
}
child.kill('SIGINT');
await new Promise((resume) => child.once('exit', resume));

const ms = (value) => `${Math.round(value)} ms`;
const worst = Math.max(...firsts);
console.log(
  markdownTable([
    ['scenario', 'median', 'worst', 'target', 'met'],
    [
      '20,000 files: from a save to the first step',
      ms(median(firsts)),
      ms(worst),
      `< ${TARGET_MS} ms`,
      median(firsts) < TARGET_MS ? 'yes' : 'NO',
    ],
    ['to the end of the build (COPY and RUN)', ms(median(wholes)), ms(Math.max(...wholes)), '', ''],
  ]),
);
