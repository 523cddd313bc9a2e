// npm run bench:before -- FILE: this wiac beside another one (its dist/wiac.cjs), in turn in one run.
// The machine is up to twice as slow in one hour as in another: only this shows what became slower.
import { appendFileSync, mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { filesContext, runContext, stageContext } from './contexts.js';
import { compare, markdownTable, workDirectory } from './harness.js';

const [before] = process.argv.slice(2);
if (before === undefined) {
  process.stderr.write(
    'usage: npm run bench:before -- FILE, the dist/wiac.cjs of the other version\n',
  );
  process.exit(2);
}
const directory = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const PROGRAMS = { now: join(directory, '../dist/wiac.cjs'), before: resolve(before) };
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7);
const work = workDirectory();

/** Both versions; each has a store of its own, since their formats may differ. */
function contestants(name, args, { cold = false, change = () => {} } = {}) {
  const one = (version, command) => (round) => {
    change(`${version} ${round}`);
    const store = join(work, `${name}-${version}-${cold ? round : 0}`);
    return { command, args, env: { WIAC_ROOT: store } };
  };
  return Object.fromEntries(
    Object.entries(PROGRAMS).map(([version, command]) => [version, one(version, command)]),
  );
}

const contexts = {
  runs: runContext,
  files: filesContext,
  stage: stageContext,
  many: (context) => filesContext(context, 2000),
};
for (const [name, make] of Object.entries(contexts)) {
  mkdirSync(join(work, name));
  make(join(work, name));
}
// Files younger than the clock's step are read once more; a real checkout is older than that.
await new Promise((resume) => setTimeout(resume, 200));

const rows = [['scenario', 'now', 'before', 'ratio']];
function add(title, both, options) {
  const { now, before: other } = compare(both, options?.rounds ?? ROUNDS);
  const seconds = (ms) => `${(ms / 1000).toFixed(3)} s`;
  rows.push([title, seconds(now), seconds(other), (now / other).toFixed(2)]);
}

const build = (name) => ['build', '-q', join(work, name)];
const touch = (text) => appendFileSync(join(work, 'files/src/folder7/file7.txt'), `${text}\n`);
add('20 RUN steps, cold', contestants('runs-cold', build('runs'), { cold: true }));
compare(contestants('runs', build('runs')), 2);
add('20 RUN steps, cached', contestants('runs', build('runs')));
add('20,000 files, cold', contestants('files-cold', build('files'), { cold: true }));
add('COPY --from of 20,000 files, cold', contestants('stage-cold', build('stage'), { cold: true }));
compare(contestants('files', build('files')), 2);
add('20,000 files, unchanged', contestants('files', build('files')));
add('20,000 files, one changed', contestants('files', build('files'), { change: touch }));
compare(contestants('many', build('many')), 2);
add('200,000 files, unchanged', contestants('many', build('many')), { rounds: 3 });
add('--version', contestants('version', ['--version']));

const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, medians of ${ROUNDS}\n\n${markdownTable(rows)}\n`,
);
