// npm run bench:steps: what RUN steps cost beside the least that they can cost (floor.c): a cold build
// with 20 of them, how the cost grows over 300, and stages that wait.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { addBusybox, runContext } from './contexts.js';
import { compare, markdownTable, median, time, workDirectory } from './harness.js';

const directory = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const WIAC = join(directory, '../dist/wiac.cjs');
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const work = workDirectory();
const floor = join(work, 'floor');
execFileSync('cc', ['-O2', '-o', floor, join(directory, 'floor.c')]);

function makeContext(name, lines) {
  const path = join(work, name);
  mkdirSync(path);
  addBusybox(path);
  writeFileSync(join(path, 'Dockerfile'), `${lines.join('\n')}\n`);
  return path;
}

let stores = 0;
function wiac(context, flags = ['-q']) {
  stores += 1;
  const env = { WIAC_ROOT: join(work, `store-${stores}`) };
  return { command: WIAC, args: ['build', ...flags, context], env };
}

const runs = join(work, 'runs');
mkdirSync(runs);
runContext(runs);
const least = (round) => {
  const place = join(work, `floor-${round}`);
  mkdirSync(place);
  const program = ['/bin/sh', '-c', 'echo 1 > /file1'];
  return { command: floor, args: [runs, place, '20', ...program] };
};
const start = { command: WIAC, args: ['--version'] };
const few = compare({ wiac: () => wiac(runs), floor: least, start: () => start }, ROUNDS);

const STEPS = 300;
const EDGE = 50;
const many = makeContext('many', [
  'FROM scratch',
  'COPY bin /bin',
  ...Array.from({ length: STEPS }, (_, index) => `RUN echo ${index} > /file${index}`),
]);
/** Milliseconds of each RUN, in order. */
function stepTimes() {
  const { command, args, env } = wiac(many, ['--progress=json']);
  const all = { ...process.env, ...env };
  const options = { env: all, stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 28 };
  const script = '"$@" 2>&1 >/dev/null';
  const shell = ['-c', script, 'sh', command, ...args];
  const text = execFileSync('sh', shell, { ...options, stdio: ['ignore', 'pipe', 'inherit'] });
  const events = String(text)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return events
    .filter(({ type }) => type === 'finished')
    .map(({ durationMs }) => durationMs)
    .slice(1);
}
const growths = Array.from({ length: Math.min(ROUNDS, 3) }, () => {
  const times = stepTimes();
  const sum = (part) => part.reduce((total, ms) => total + ms, 0) / part.length;
  return { first: sum(times.slice(0, EDGE)), last: sum(times.slice(-EDGE)) };
});
const first = median(growths.map((growth) => growth.first));
const last = median(growths.map((growth) => growth.last));

const names = Array.from({ length: 8 }, (_, index) => `stage${index}`);
const waiting = makeContext('waiting', [
  'FROM scratch AS base',
  'COPY bin /bin',
  ...names.flatMap((name) => [`FROM base AS ${name}`, `RUN sleep 1 && echo > /${name}`]),
  'FROM base',
  ...names.map((name) => `COPY --from=${name} /${name} /`),
]);
const stages = median(Array.from({ length: ROUNDS }, () => time(wiac(waiting))));

const ms = (value) => `${value.toFixed(1)} ms`;
const perStep = (few.wiac - few.start) / 20;
const perFloor = few.floor / 20;
const table = markdownTable([
  ['scenario', 'wiac', 'beside', 'ratio', 'target', 'met'],
  [
    '20 RUN steps, cold, a step',
    ms(perStep),
    `floor: ${ms(perFloor)}`,
    (perStep / perFloor).toFixed(2),
    '<= 2.5',
    perStep / perFloor <= 2.5 ? 'yes' : 'NO',
  ],
  [
    `${STEPS} RUN steps, the last ${EDGE}`,
    ms(last),
    `the first ${EDGE}: ${ms(first)}`,
    (last / first).toFixed(2),
    '<= 1.1',
    last / first <= 1.1 ? 'yes' : 'NO',
  ],
  [
    '8 stages of sleep 1',
    ms(stages),
    'sleep 1: 1000 ms',
    '',
    '<= 1.7 s',
    stages <= 1700 ? 'yes' : 'NO',
  ],
]);
const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, medians of ${ROUNDS}\n\n${table}\n`,
);
