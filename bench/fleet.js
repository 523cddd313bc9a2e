// npm run bench:fleet: machines that are thrown away, with a shared cache in a registry of this machine. The other rows of
// such machines are in bench (a changed file among 20,000) and bench:mounts (cache mounts).
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { manyStepsContext, stagesContext } from './contexts.js';
import { compare, markdownTable, time, workDirectory } from './harness.js';
import { startRegistry } from './registry.js';

const WIAC = join(
  import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  '../dist/wiac.cjs',
);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const work = workDirectory();
const log = join(work, 'requests');
const host = await startRegistry(work, join(work, 'registry'), log);

const wiac = (store, ...args) => ({ command: WIAC, args, env: { WIAC_ROOT: join(work, store) } });
const empty = (store) => rmSync(join(work, store), { recursive: true, force: true });
for (const [name, make] of Object.entries({ stages: stagesContext, steps: manyStepsContext })) {
  mkdirSync(join(work, name));
  make(join(work, name));
}

const [cache, image] = [`${host}/app/cache:main`, `${host}/app:main`];
const stages = join(work, 'stages');
time(
  wiac('first', 'build', '-q', `--cache-to=${cache}`, '-o', `type=registry,name=${image}`, stages),
);
const fromCache = ['build', '-q', `--cache-from=${cache}`];

/** Layers that the registry has delivered while something ran: of the blobs, all but lists and configs. */
function fetched(action) {
  writeFileSync(log, '');
  action();
  const digests =
    readFileSync(log, 'utf8').match(/(?<="GET \/v2\/\S+\/blobs\/)sha256:[0-9a-f]+/g) ?? [];
  const path = (digest) =>
    join(
      work,
      'registry/docker/registry/v2/blobs/sha256',
      digest.slice(7, 9),
      digest.slice(7),
      'data',
    );
  return digests.filter((digest) => readFileSync(path(digest)).readUInt16BE() === 0x1f8b).length;
}

const onEmpty = (...args) => {
  empty('machine');
  return wiac('machine', ...args);
};
const whole = compare(
  {
    build: () => onEmpty(...fromCache, stages),
    pull: () => onEmpty('pull', image),
    push: () => onEmpty(...fromCache, '-o', `type=registry,name=${image}`, stages),
    elsewhere: (round) =>
      onEmpty(...fromCache, '-o', `type=registry,name=${host}/other${round}:main`, stages),
  },
  ROUNDS,
);
const layersOf = (...args) => fetched(() => time(onEmpty(...args, stages)));
const layers = {
  build: layersOf(...fromCache),
  push: layersOf(...fromCache, '-o', `type=registry,name=${image}`),
};

const steps = join(work, 'steps');
const entries = `${host}/entries`;
time(
  wiac(
    'steps-store',
    'build',
    '-q',
    `--cache-to=type=registry,ref=${entries}:first,mode=max`,
    steps,
  ),
);
const exporting = compare(
  {
    without: () => wiac('steps-store', 'build', '-q', steps),
    other: (round) =>
      wiac(
        'steps-store',
        'build',
        '-q',
        `--cache-to=type=registry,ref=${entries}:r${round},mode=max`,
        steps,
      ),
    same: () =>
      wiac(
        'steps-store',
        'build',
        '-q',
        `--cache-to=type=registry,ref=${entries}:first,mode=max`,
        steps,
      ),
  },
  ROUNDS,
);

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const met = (ok) => (ok ? 'yes' : 'NO');
const beyond = (ms) => ms - exporting.without;
const rows = [
  ['scenario', 'wiac', 'layers fetched', 'beside', 'ratio', 'target', 'met'],
  [
    '6 stages, unchanged, empty machine, result of 170 MB',
    seconds(whole.build),
    String(layers.build),
    `pull: ${seconds(whole.pull)}`,
    (whole.build / whole.pull).toFixed(2),
    '<= 1.2',
    met(whole.build / whole.pull <= 1.2),
  ],
  [
    'the same, pushed to the same name',
    seconds(whole.push),
    String(layers.push),
    '',
    '',
    '< 0.5 s, none',
    met(whole.push < 500 && layers.push === 0),
  ],
  ['the same, pushed to another repository', seconds(whole.elsewhere), '', '', '', '', ''],
  ...[
    ['other', '100 entries to another name, all blobs there'],
    ['same', '100 entries, nothing new'],
  ].map(([name, title]) => [
    title,
    seconds(exporting[name]),
    '',
    `without: ${seconds(exporting.without)}`,
    '',
    '< 0.3 s beyond',
    met(beyond(exporting[name]) < 300),
  ]),
];
process.stdout.write(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, medians of ${ROUNDS}\n\n${markdownTable(rows)}\n`,
);
