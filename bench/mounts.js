// npm run bench:mounts: cache mounts through a shared cache, against a registry of this machine.
// `npm ci` installs this repository's own packages with the Node and the npm of this machine, which the
// container sees as volumes; it needs the registry that npm is configured for.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { addBusybox } from './contexts.js';
import { compare, markdownTable, median, time, workDirectory } from './harness.js';
import { startRegistry } from './registry.js';

const ROOT = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..');
const WIAC = join(ROOT, 'dist/wiac.cjs');
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const FILES = 20_000;
const work = workDirectory();
const data = join(work, 'registry');
const host = await startRegistry(work, data);

const wiac = (args, store) => ({ command: WIAC, args, env: { WIAC_ROOT: join(work, store) } });

function makeContext(name, ...lines) {
  const context = join(work, name);
  addBusybox(context);
  writeFileSync(
    join(context, 'Dockerfile'),
    ['FROM scratch', 'COPY bin /bin', ...lines].join('\n'),
  );
  return context;
}

/** Text of 4 KiB that gzip makes half as large, as it does with most sources. */
const content = () => randomBytes(2048).toString('hex');
const writeFiles = (mount, count, every) => {
  for (let at = 0; at < count; at += 1) {
    const number = at * every;
    const directory = join(mount, String(number % 200));
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `f${number}`), content());
  }
};

/** Bytes that the registry keeps. */
const kept = () => Number(execFileSync('du', ['-sb', data]).toString().split('\t')[0]);

function snapshots() {
  const context = makeContext('files', 'ARG x', 'RUN --mount=type=cache,target=/c echo $x');
  const build = (store, ...flags) => wiac(['build', '-q', ...flags, context], store);
  time(build('a'));
  const [name] = readdirSync(join(work, 'a/mounts'));
  const mount = join(work, 'a/mounts', name);
  writeFiles(mount, FILES, 1);
  const times = { without: [], first: [], again: [], unchanged: [], back: [] };
  const bytes = { first: 0, again: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const reference = `${host}/mounts:round${round}`;
    const to = `--cache-to=type=registry,ref=${reference},mounts=true`;
    const measure = (row, command) => {
      execFileSync('sync');
      const before = kept();
      times[row].push(time(command));
      bytes[row] = kept() - before;
    };
    // Nothing is known of this mount: all of it is read, and sent.
    rmSync(join(work, 'a/mount-notes'), { recursive: true, force: true });
    for (const entry of readdirSync(data)) rmSync(join(data, entry), { recursive: true });
    measure('without', build('a'));
    measure('first', build('a', to));
    writeFiles(mount, 10, 997);
    measure('again', build('a', to));
    measure('unchanged', build('a', to));
    rmSync(join(work, 'b'), { recursive: true, force: true });
    measure('back', build('b', `--build-arg=x=${round + 1}`, `--cache-from=${reference}`));
  }
  return {
    bytes,
    ...Object.fromEntries(Object.entries(times).map(([row, list]) => [row, median(list)])),
  };
}

/** Files of this machine that npm needs, as volumes, and where it fetches from. */
function npmSetting() {
  const get = (key) => execFileSync('npm', ['config', 'get', key]).toString().trim();
  const certificates = [process.env.NODE_EXTRA_CA_CERTS, get('cafile')].find(
    (file) => file && file !== 'null' && file !== 'undefined',
  );
  const volumes = ['/usr', ...(certificates ? [dirname(certificates)] : [])];
  return {
    flags: [
      ...volumes.flatMap((path) => ['-v', `${path}:${path}:ro`]),
      `--build-arg=REGISTRY=${get('registry')}`,
      ...(certificates ? [`--build-arg=NODE_EXTRA_CA_CERTS=${certificates}`] : []),
    ],
  };
}

function npmCi() {
  const context = makeContext(
    'npm',
    'COPY links /',
    'COPY package.json package-lock.json /app/',
    'WORKDIR /app',
    'ENV PATH=/usr/bin:/bin HOME=/root',
    'ARG REGISTRY',
    'ARG NODE_EXTRA_CA_CERTS',
    'ARG day',
    'RUN --mount=type=cache,target=/root/.npm npm ci --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error --cafile=$NODE_EXTRA_CA_CERTS --registry=$REGISTRY',
  );
  mkdirSync(join(context, 'links'));
  for (const name of ['lib', 'lib64']) symlinkSync(`usr/${name}`, join(context, 'links', name));
  for (const name of ['package.json', 'package-lock.json'])
    copyFileSync(join(ROOT, name), join(context, name));
  const { flags } = npmSetting();
  const reference = `${host}/npm:main`;
  const build = (store, ...more) => wiac(['build', '-q', ...flags, ...more, context], store);
  time(build('npm', '--build-arg=day=0', `--cache-to=type=registry,ref=${reference},mounts=true`));
  const empty = (store) => rmSync(join(work, store), { recursive: true, force: true });
  return compare(
    {
      without: (round) => {
        empty('c');
        return build('c', `--build-arg=day=${round + 1}`);
      },
      with: (round) => {
        empty('d');
        return build('d', `--build-arg=day=${round + 1}`, `--cache-from=${reference}`);
      },
    },
    ROUNDS,
  );
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const share = (a, b) => (a / b).toFixed(3);
/** What the export adds to a build that has nothing else to do. */
const beyond = (ms) => ms - files.without;
const met = (ok) => (ok ? 'yes' : 'NO');

console.log(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0].model}, Node ${process.version}, medians of ${ROUNDS}\n`,
);
const files = snapshots();
const npm = npmCi();
console.log(
  markdownTable([
    ['scenario', 'wiac', 'sent', 'ratio to', '', 'target', 'met'],
    ['20,000 files: no export', seconds(files.without), '', '', '', '', ''],
    ['first export', seconds(files.first), megabytes(files.bytes.first), '', '', '', ''],
    [
      '10 files changed, export again',
      seconds(files.again),
      megabytes(files.bytes.again),
      'first export, both beyond the build',
      share(beyond(files.again), beyond(files.first)),
      '<= 0.15',
      met(beyond(files.again) <= beyond(files.first) * 0.15),
    ],
    [
      'nothing changed, export again',
      seconds(files.unchanged),
      '',
      'first export',
      share(files.unchanged, files.first),
      '',
      '',
    ],
    [
      'brought back',
      seconds(files.back),
      '',
      'first export',
      share(files.back, files.first),
      '',
      '',
    ],
    ['npm ci, empty machine', seconds(npm.without), '', '', '', '', ''],
    [
      'npm ci, empty machine, mount brought back',
      seconds(npm.with),
      '',
      'without',
      share(npm.with, npm.without),
      '',
      '',
    ],
  ]),
);
