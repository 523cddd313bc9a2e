// npm run bench:queue: what a queue costs, and how builds get faster with more workers. All of them, Redis and the
// registry are on this machine: what has to be computed shares its processors, so the steps sleep.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { addBusybox } from './contexts.js';
import { markdownTable, median, workDirectory } from './harness.js';
import { freePort, startRegistry } from './registry.js';

const WIAC = join(
  import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  '../dist/wiac.cjs',
);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const STAGES = 64;
// As many as a worker has by default here.
const SLOTS = 2;
const work = workDirectory();
const port = await freePort();
const redis = spawn('redis-server', ['--port', port, '--save', '', '--dir', work], {
  stdio: 'ignore',
});
process.on('exit', () => redis.kill());
const queue = `redis://127.0.0.1:${port}/0`;
const cache = `${await startRegistry(work, join(work, 'registry'))}/cache`;
const flags = ['--queue', queue, '--cache', cache];

/** Starts a worker. @returns ends it */
async function startWorker(name, slots) {
  const args = ['worker', ...flags, '--name', name, '--jobs', String(slots)];
  const child = spawn(WIAC, args, {
    env: { ...process.env, WIAC_ROOT: join(work, name) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  process.on('exit', () => child.kill('SIGKILL'));
  await new Promise((resume) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (text) => String(text).includes('waits for steps') && resume());
  });
  return () =>
    new Promise((resume) => {
      child.on('exit', resume);
      child.kill('SIGTERM');
    });
}

let contexts = 0;
/** A context whose stages are new to every cache. */
function makeContext(program) {
  contexts += 1;
  const path = join(work, `context${contexts}`);
  mkdirSync(path);
  addBusybox(path);
  const names = Array.from({ length: STAGES }, (_, index) => `stage${index}`);
  const lines = [
    'FROM scratch AS base',
    'COPY bin /bin',
    ...names.flatMap((name) => [
      `FROM base AS ${name}`,
      `RUN ${program} && echo ${contexts} > /${name}`,
    ]),
    'FROM base',
    `RUN ${names.map((name) => `--mount=from=${name},target=/mnt/${name}`).join(' ')} ls /mnt > /all`,
  ];
  writeFileSync(join(path, 'Dockerfile'), `${lines.join('\n')}\n`);
  return path;
}

/** How long the stages take, from the first one's begin to the last one's end. ms */
async function buildStages(path, ...more) {
  const store = join(work, 'builder');
  rmSync(store, { recursive: true, force: true });
  const child = spawn(WIAC, ['build', '--progress=json', ...more, path], {
    env: { ...process.env, WIAC_ROOT: store },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [begun, ended] = [[], []];
  const said = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    if (line.startsWith('{"type":"started"')) begun.push(performance.now());
    if (line.startsWith('{"type":"finished"')) ended.push(performance.now());
  }
  // The last is the stage that needs all others; before them comes COPY, unless it is cached.
  const copies = ended.length - STAGES - 1;
  if (copies !== 0 && copies !== 1)
    throw new Error(`the build failed:\n${said.slice(-5).join('\n')}`);
  return ended[copies + STAGES - 1] - begun[copies];
}

/** @param program of each stage */
async function onWorkers(count, slots, program, rounds = ROUNDS) {
  const names = Array.from({ length: count }, (_, index) => `worker${count}-${index}`);
  const ends = await Promise.all(names.map((name) => startWorker(name, slots)));
  const times = [];
  for (let round = 0; round < rounds; round++)
    times.push(await buildStages(makeContext(program), ...flags));
  await Promise.all(ends.map((end) => end()));
  return median(times);
}

const redisCli = (...args) =>
  execFileSync('redis-cli', ['-p', String(port), '--json', ...args], { encoding: 'utf8' });

/**
 * What lies between the end of a step and the begin of the next one, on a worker of one slot, as Redis' clock
 * has it. ms
 */
function betweenSteps() {
  const steps = JSON.parse(redisCli('keys', 'wiac:step:*')).map((key) =>
    JSON.parse(redisCli('xrange', key, '-', '+')).map(([id, [, message]]) => {
      return { at: Number.parseInt(id, 10), type: JSON.parse(message).type };
    }),
  );
  const at = (step, wanted) => step.find(({ type }) => type === wanted)?.at ?? 0;
  const ran = steps.sort((a, b) => at(a, 'started') - at(b, 'started'));
  const gaps = ran.slice(1).map((step, index) => at(step, 'started') - at(ran[index], 'done'));
  // Whole ms: the middle ones' mean says more than their median. Builds lie between the largest.
  const sorted = gaps.filter((gap) => gap > 0).sort((a, b) => a - b);
  const middle = sorted.slice(sorted.length >> 2, -(sorted.length >> 2));
  return middle.reduce((sum, gap) => sum + gap, 0) / middle.length;
}

const rows = [];
const alone = [];
for (let round = 0; round < ROUNDS; round++)
  alone.push(await buildStages(makeContext('true'), '-j', '1'));
const oneByOne = await onWorkers(1, 1, 'true');
const between = betweenSteps();
const cost = (oneByOne - median(alone)) / STAGES;
rows.push(
  [
    'between two chains of a worker',
    `${between.toFixed(1)} ms`,
    '',
    '<= 15 ms',
    between <= 15 ? 'yes' : 'NO',
  ],
  ['a chain and its layer, beside the same step here', `${cost.toFixed(1)} ms`, '', '', ''],
);
let first;
for (const count of [1, 2, 4, 8]) {
  const took = await onWorkers(count, SLOTS, 'sleep 2', 1);
  const ideal = (STAGES * 2000) / (SLOTS * count);
  first ??= took;
  const share = first / took / count;
  rows.push([
    `${STAGES} stages of sleep 2, ${count} x ${SLOTS} slots`,
    `${(took / 1000).toFixed(2)} s`,
    `${(ideal / 1000).toFixed(0)} s`,
    '>= 0.85',
    `${share.toFixed(2)} ${share >= 0.85 ? 'yes' : 'NO'}`,
  ]);
}
const date = new Date().toISOString().slice(0, 10);
const table = markdownTable([['what', 'time', 'sleep alone', 'target', 'met'], ...rows]);
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, medians of ${ROUNDS}\n\n${table}\n`,
);
process.exit(0);
