// npm run bench:images: images out and in, beside buildah and skopeo, against a registry of this
// machine that is emptied before each push: all of them know ways not to send what is there.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { debianContext, filesContext } from './contexts.js';
import { buildahStorage, compare, markdownTable, time, workDirectory } from './harness.js';
import { startRegistry } from './registry.js';

const WIAC = join(
  import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  '../dist/wiac.cjs',
);
// Medians of 5 differ by a fifth from run to run on a machine whose speed changes all the time.
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 9);
const work = workDirectory();
const data = join(work, 'registry');

const emptyRegistry = () => {
  for (const name of readdirSync(data)) rmSync(join(data, name), { recursive: true });
};

const wiac = (args, store = 'store') => ({
  command: WIAC,
  args: [...args],
  env: { WIAC_ROOT: join(work, store) },
});
const storage = (store) => buildahStorage(join(work, store), 'vfs');
const buildah = (args, store = 'buildah') => ({
  command: 'buildah',
  args: [...storage(store), ...args],
});

const host = await startRegistry(work, data);
const contexts = { debian: debianContext, files: filesContext };
for (const [name, make] of Object.entries(contexts)) {
  const context = join(work, `context-${name}`);
  mkdirSync(context);
  make(context);
  time(wiac(['build', '-q', '-t', name, context]));
  time(buildah(['build', '--isolation', 'chroot', '-q', '-t', name, context]));
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
const rows = [['scenario', 'wiac', 'buildah', 'skopeo', 'ratio to buildah', 'target', 'met']];
function addRow(title, target, times, rivalTime = times.buildah) {
  const ratio = times.wiac / rivalTime;
  const skopeo = times.skopeo === undefined ? '' : seconds(times.skopeo);
  const met = ratio <= target ? 'yes' : 'NO';
  rows.push([
    title,
    seconds(times.wiac),
    seconds(rivalTime),
    skopeo,
    ratio.toFixed(2),
    `<= ${target}`,
    met,
  ]);
}

/** Bytes of the blobs that the registry has. */
function registryBytes(directory = data) {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true }))
    if (entry.name === 'data') bytes += statSync(join(entry.parentPath ?? entry.path, 'data')).size;
  return bytes;
}

const sizes = [];
const target = (name) => `docker://${host}/${name}`;
const titles = { debian: 'Debian', files: '20,000 files' };
for (const name of Object.keys(contexts)) {
  const first = compare(
    {
      wiac: () => {
        emptyRegistry();
        // The layer is packed and compressed as if for the first time.
        rmSync(join(work, 'store/blobs'), { recursive: true, force: true });
        return wiac(['push', name, `${host}/wiac`]);
      },
      buildah: () => {
        emptyRegistry();
        return buildah(['push', '-q', '--tls-verify=false', name, target('buildah')]);
      },
      skopeo: () => {
        emptyRegistry();
        const source = `containers-storage:[vfs@${join(work, 'buildah/root')}+${join(work, 'buildah/run')}]localhost/${name}`;
        return {
          command: 'skopeo',
          args: ['copy', '-q', '--dest-tls-verify=false', source, target('skopeo')],
        };
      },
    },
    ROUNDS,
  );
  addRow(`push, ${titles[name]}`, 0.7, first);
  emptyRegistry();
  time(buildah(['push', '-q', '--tls-verify=false', name, target('buildah')]));
  const theirs = registryBytes();
  emptyRegistry();
  time(wiac(['push', name, `${host}/wiac`]));
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  sizes.push(`${titles[name]}: ${megabytes(registryBytes())}, buildah ${megabytes(theirs)}`);
  const again = compare({ wiac: () => wiac(['push', name, `${host}/wiac`]) }, ROUNDS);
  addRow(`push again, ${titles[name]} (buildah: first)`, 0.3, again, first.buildah);
  const pulled = compare(
    {
      wiac: (round) => wiac(['pull', `${host}/wiac`], `pull-${name}-${round}`),
      buildah: (round) =>
        buildah(['pull', '-q', '--tls-verify=false', target('wiac')], `buildah-${name}-${round}`),
    },
    ROUNDS,
  );
  addRow(`pull and unpack, ${titles[name]}`, 0.7, pulled);
}

/** Peak memory of a push whose layer is packed anew, in MB. */
function peakMemory(name) {
  emptyRegistry();
  rmSync(join(work, 'store/blobs'), { recursive: true, force: true });
  const { command, args, env } = wiac(['push', name, `${host}/wiac`]);
  const report = join(work, 'peak');
  execFileSync('/usr/bin/time', ['-f', '%M', '-o', report, command, ...args], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  return `${Math.round(Number(readFileSync(report, 'utf8')) / 1024)} MB`;
}

const buildahVersion = execFileSync('buildah', ['--version'], { encoding: 'utf8' }).split(' ')[2];
const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  `${date}, ${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.version}, buildah ${buildahVersion}, medians of ${ROUNDS}\n\n${markdownTable(rows)}\n\npushed: ${sizes.join('; ')}\npeak memory of a push: ${peakMemory('debian')} (Debian), ${peakMemory('files')} (20,000 files)\n`,
);
