// npm run bench: the same Dockerfiles with wiac and with the builders that are at hand (peers.js), in turn, with
// default options; `npm run bench -- PART...` measures some parts. Nothing is deleted before the end: ext4 is
// slow to make files shortly after many were removed, which would slow the next measurement down.
import { mkdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { compare, workDirectory } from './harness.js';
import { peers } from './peers.js';
import { table } from './table.js';

/** Each has a file that measures it; in the order of their tables. */
const PARTS = [
  'steps',
  'deep',
  'files',
  'changed',
  'unchanged',
  'debian',
  'large',
  'mount',
  'push',
  'syscalls',
  'removed',
];

// Node reads it at each start; wiac does not.
delete process.env.NODE_EXTRA_CA_CERTS;
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const chosen = process.argv.length > 2 ? process.argv.slice(2) : PARTS;
const unknown = chosen.filter((name) => !PARTS.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no such part: ${unknown.join(' ')}; there are ${PARTS.join(' ')}\n`);
  process.exit(2);
}
const work = workDirectory();
const builders = peers(work);

/** What the parts have in common. */
const bench = {
  work,
  rounds,
  builders,
  /** A directory below the one of this run. */
  directory(name) {
    const path = join(work, name);
    mkdirSync(path);
    return path;
  },
  /**
   * Builds in turn, each as often as it has patience for.
   * @param commandOf a builder, the round and the builder's name to a command
   * @param options rounds; others: what runs beside the builders; only: names of the builders
   */
  builds(commandOf, { others = {}, only, times = rounds, ...options } = {}) {
    const chosenBuilders = Object.entries(builders).filter(
      ([name]) => only === undefined || only.includes(name),
    );
    const contestants = chosenBuilders.map(([name, builder]) => [
      name,
      (round) => (round < builder.patience ? commandOf(builder, round, name) : undefined),
    ]);
    return compare({ ...Object.fromEntries(contestants), ...others }, times, options);
  },
};

const date = new Date().toISOString().slice(0, 10);
const patience = rounds > 3 ? ' (buildah: of 3)' : '';
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, medians of ${rounds}${patience}\n`,
);
for (const name of chosen) {
  const { measure } = await import(`./rows/${name}.js`);
  const { rows, notes = [] } = await measure(bench);
  process.stdout.write(`\n${rows.length > 0 ? `${table(builders, rows)}\n` : ''}`);
  for (const note of notes) process.stdout.write(`\n${note}\n`);
}
