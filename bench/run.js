// npm run bench: wiac beside `buildah build --layers --isolation chroot`, the same Dockerfiles in
// one run. Every cold build gets a store of its own, and nothing is deleted before the end: ext4
// is slow to make files shortly after many were removed, which would slow the next measurement down.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { filesContext, runContext } from './contexts.js';
import { buildahStorage, compare, markdownTable, workDirectory } from './harness.js';

const WIAC = join(
  import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  '../dist/wiac.cjs',
);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const work = workDirectory();

function wiac(context, store) {
  return {
    command: WIAC,
    args: ['build', '-q', context],
    env: { WIAC_ROOT: join(work, store) },
  };
}

function buildah(context, store) {
  const storage = buildahStorage(join(work, store), 'overlay');
  return {
    command: 'buildah',
    args: [...storage, 'build', '--layers', '--isolation', 'chroot', '-q', context],
  };
}

function scenario(context, name, { cold, change }) {
  const store = (tool, round) => (cold ? `${name}-${tool}-${round}` : `${name}-${tool}-0`);
  return compare(
    {
      wiac: (round) => {
        change?.(round);
        return wiac(context, store('wiac', round));
      },
      buildah: (round) => buildah(context, store('buildah', round)),
    },
    ROUNDS,
  );
}

function row(title, target, { wiac: ours, buildah: theirs }) {
  const ratio = ours / theirs;
  const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
  return [
    title,
    seconds(ours),
    seconds(theirs),
    ratio.toFixed(3),
    `<= ${target}`,
    ratio <= target ? 'yes' : 'NO',
  ];
}

const runs = join(work, 'context-runs');
const files = join(work, 'context-files');
mkdirSync(runs);
mkdirSync(files);
runContext(runs);
filesContext(files);
// Files younger than the clock's step are read once more; a real checkout is older than that.
await new Promise((resume) => setTimeout(resume, 200));

const touch = (round) => appendFileSync(join(files, 'src/folder7/file7.txt'), `change ${round}\n`);
const rows = [
  ['scenario', 'wiac', 'buildah', 'ratio', 'target', 'met'],
  row('20 RUN steps, cold', 0.2, scenario(runs, 'runs', { cold: true })),
  row('20 RUN steps, cached', 0.5, scenario(runs, 'runs', { cold: false })),
  row('20,000 files, cold', 0.25, scenario(files, 'files', { cold: true })),
  row('20,000 files, cached', 0.1, scenario(files, 'files', { cold: false })),
  row('20,000 files, one changed', 0.1, scenario(files, 'files', { cold: false, change: touch })),
];
const buildahVersion = execFileSync('buildah', ['--version'], { encoding: 'utf8' }).split(' ')[2];
const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, buildah ${buildahVersion}, medians of ${ROUNDS}\n\n${markdownTable(rows)}\n`,
);
