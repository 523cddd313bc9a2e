// npm run bench:cache: what a rebuild costs beside doing nothing (`node -e 0`), beside what lists the
// same files (`find -printf`) and beside what copies them (`cp -a`), in turn.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { filesContext, runContext } from './contexts.js';
import { compare, markdownTable, time, workDirectory } from './harness.js';

const WIAC = join(
  import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  '../dist/wiac.cjs',
);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7);
const work = workDirectory();

const wiac = (name) => ({
  command: WIAC,
  args: ['build', '-q', join(work, name)],
  env: { WIAC_ROOT: join(work, `store-${name}`) },
});
const nothing = { command: process.execPath, args: ['-e', '0'] };
const find = (name) => ({
  command: 'find',
  args: [join(work, name), '-printf', '%P %m %i %D %C@ %s %T@ %U %G\\n'],
});

const contexts = {
  runs: runContext,
  files: filesContext,
  many: (directory) => filesContext(directory, 2000),
};
for (const [name, make] of Object.entries(contexts)) {
  mkdirSync(join(work, name));
  make(join(work, name));
}
// Files younger than the clock's step are read once more; a real checkout is older than that.
await new Promise((resume) => setTimeout(resume, 200));
for (const name of Object.keys(contexts)) {
  time(wiac(name));
  time(wiac(name));
}

const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;
const rows = [['scenario', 'wiac', 'beside', 'ratio', 'target', 'met']];
function add(title, ours, beside, shown, target, met) {
  rows.push([title, seconds(ours), beside, shown, target, met ? 'yes' : 'NO']);
}

const runs = compare({ wiac: () => wiac('runs'), node: () => nothing }, ROUNDS);
const runRatio = runs.wiac / runs.node;
const besideNode = (ms) => `node -e 0: ${seconds(ms)}`;
add(
  '20 RUN steps, cached',
  runs.wiac,
  besideNode(runs.node),
  runRatio.toFixed(2),
  '<= 1.8',
  runRatio <= 1.8,
);

const same = compare(
  { wiac: () => wiac('files'), node: () => nothing, find: () => find('files') },
  ROUNDS,
);
const ratio = same.wiac / same.node;
add(
  '20,000 files, unchanged',
  same.wiac,
  besideNode(same.node),
  ratio.toFixed(2),
  '<= 3',
  ratio <= 3,
);
rows.push([
  '',
  '',
  `find -printf: ${seconds(same.find)}`,
  (same.wiac / same.find).toFixed(2),
  '',
  '',
]);

const changed = compare(
  {
    wiac: (round) => {
      appendFileSync(join(work, 'files/src/folder7/file7.txt'), `change ${round}\n`);
      return wiac('files');
    },
    cp: (round) => ({
      command: 'cp',
      args: ['-a', join(work, 'files'), join(work, `copy-${round}`)],
    }),
  },
  ROUNDS,
);
add(
  '20,000 files, one changed',
  changed.wiac,
  `cp -a: ${seconds(changed.cp)}`,
  (changed.wiac / changed.cp).toFixed(2),
  '<= 0.6 s',
  changed.wiac <= 600,
);

const many = compare({ wiac: () => wiac('many'), find: () => find('many') }, Math.min(ROUNDS, 3));
const perFile = ((many.wiac - same.wiac) * 1000) / 180_000;
add(
  '200,000 files, unchanged',
  many.wiac,
  `find -printf: ${seconds(many.find)}`,
  `${perFile.toFixed(1)} us a file`,
  '< 15',
  perFile < 15,
);

const report = join(work, 'peak');
const { command, args, env } = wiac('many');
execFileSync('/usr/bin/time', ['-f', '%M', '-o', report, command, ...args], {
  env: { ...process.env, ...env },
  stdio: 'ignore',
});
const peak = Math.round(Number(readFileSync(report, 'utf8')) / 1024);

const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, medians of ${ROUNDS}\n\n${markdownTable(rows)}\n\npeak memory with 200,000 files: ${peak} MB (target: under 300)\n`,
);
