// npm run bench:steps: what RUN steps cost beside the least that they can cost (floor.c): a cold build
// with 20 of them, how the cost grows over 300, and stages that wait.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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
// All that is no step: a cold build of the same files without one.
const none = makeContext('none', ['FROM scratch', 'COPY bin /bin']);
const few = compare({ wiac: () => wiac(runs), floor: least, start: () => wiac(none) }, ROUNDS);

const STEPS = 300;
const EDGE = 50;
const many = makeContext('many', [
  'FROM scratch',
  'COPY bin /bin',
  ...Array.from({ length: STEPS }, (_, index) => `RUN echo ${index} > /file${index}`),
]);
/** When each RUN began, in ms: what lies between two of them is all that a step takes. */
async function beginnings() {
  const { command, args, env } = wiac(many, ['--progress=json']);
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const times = [];
  for await (const line of createInterface({ input: child.stderr }))
    if (line.startsWith('{"type":"started"')) times.push(performance.now());
  // The first is COPY.
  return times.slice(1);
}
const growths = [];
for (let round = 0; round < Math.min(ROUNDS, 3); round++) {
  const times = await beginnings();
  const mean = (from, to) => (times[to] - times[from]) / (to - from);
  growths.push({ first: mean(0, EDGE), last: mean(STEPS - 1 - EDGE, STEPS - 1) });
}
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
    '20 RUN steps, cold, a step beyond the build without them',
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
