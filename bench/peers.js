// wiac and the builders that it is compared with, as commands: buildah of this machine, and where the
// environment names them (peers.sh does) a Docker Engine, which has BuildKit inside, and trixie's buildah.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { buildahStorage } from './harness.js';

export const WIAC = join(
  import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  '../dist/wiac.cjs',
);
const { BUILDKITD, DOCKER = 'docker', TRIXIE_BUILDAH } = process.env;

/** What a program says of its version. */
const version = (command, ...args) =>
  /\d+\.\d+\.\d+/.exec(execFileSync(command, args, { encoding: 'utf8' }))?.[0] ?? '?';

/** A buildah, with the storage driver that it would choose as root. */
function buildahs(work, program, name) {
  const run = (args, store = 'store') => {
    const place = join(work, `${name}-${store}`);
    // Where it keeps cache mounts.
    const env = { TMPDIR: work };
    return { command: program, args: [...buildahStorage(place, 'overlay'), ...args], env };
  };
  return {
    title: `buildah ${version(program, '--version')}`,
    run,
    build: (context, { store, args = [] } = {}) =>
      run(['build', '--layers', '--isolation', 'chroot', '-q', ...args, context], store),
    push: (image, target) => run(['push', '-q', '--tls-verify=false', image, `docker://${target}`]),
    // Slow where others are not, and always as slow.
    patience: 3,
  };
}

/**
 * A cold build is one in a store of its own. BuildKit has one store: cold is what no earlier build had, so that
 * cold contexts differ in a file that all their steps depend on.
 * @returns name -> its title, and functions that return commands; wiac is the first
 */
export function peers(work) {
  const wiac = (args, store = 'store') => ({
    command: WIAC,
    args,
    env: { WIAC_ROOT: join(work, `wiac-${store}`) },
  });
  const docker = (args) => ({ command: DOCKER, args: ['-H', BUILDKITD, ...args], env: {} });
  const own = {
    title: 'wiac',
    run: wiac,
    build: (context, { store, args = [] } = {}) => wiac(['build', '-q', ...args, context], store),
    push: (image, target) => wiac(['push', image, target]),
    patience: Number.POSITIVE_INFINITY,
  };
  const buildkit = () => ({
    title: `Docker ${version(DOCKER, '-H', BUILDKITD, 'version', '--format', '{{.Server.Version}}')}`,
    run: docker,
    build: (context, { args = [] } = {}) => {
      const flags = ['--network', 'host', '-q', ...args];
      return { ...docker(['build', ...flags, context]), env: { DOCKER_BUILDKIT: '1' } };
    },
    push: (_image, target) => docker(['push', '-q', target]),
    patience: Number.POSITIVE_INFINITY,
  });
  return {
    wiac: own,
    ...(BUILDKITD && { buildkit: buildkit() }),
    buildah: buildahs(work, 'buildah', 'buildah'),
    ...(TRIXIE_BUILDAH && { trixie: buildahs(work, TRIXIE_BUILDAH, 'trixie') }),
  };
}
