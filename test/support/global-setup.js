// Once for a run: everything the tests need must be here, and dist/ must be what src/ says.
import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { machineState } from './machine-state.js';

const TOOLS = {
  perl: 'perl-base',
  cc: 'gcc',
  'aarch64-linux-gnu-gcc': 'gcc-aarch64-linux-gnu',
  'qemu-aarch64': 'qemu-user',
  getfattr: 'attr',
  setfattr: 'attr',
  busybox: 'busybox-static',
  buildah: 'buildah',
  skopeo: 'skopeo',
  umoci: 'umoci',
  newuidmap: 'uidmap',
  dot: 'graphviz',
  script: 'bsdutils',
  strace: 'strace',
  'docker-registry': 'docker-registry',
  'redis-server': 'redis-server',
  'systemd-analyze': 'systemd',
  ip: 'iproute2',
  htpasswd: 'apache2-utils',
  zstd: 'zstd',
  setcap: 'libcap2-bin',
  openssl: 'openssl',
  git: 'git',
  'ssh-agent': 'openssh-client',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  chromium: 'chromium',
  zsh: 'zsh',
  fish: 'fish',
};

function isInstalled(tool) {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Makes dist/ and dist-checkpoints/, at once: each of the two compilations uses one core. */
async function bundle() {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  await Promise.all(
    [[], ['--checkpoints']].map((flags) =>
      promisify(execFile)(process.execPath, ['esbuild.config.js', ...flags], { cwd }),
    ),
  );
}

export default async function setup() {
  if (process.getuid() !== 0) throw new Error('the tests mount overlays: run them as root');
  for (const [tool, debianPackage] of Object.entries(TOOLS)) {
    if (!isInstalled(tool))
      throw new Error(`the tests need ${tool}: apt-get install ${debianPackage}`);
  }
  globalThis.machineBefore = machineState();
  // Where this is set, every Node 20 reads some 280 certificates before it runs anything, which takes
  // as long as many a command of the tests. Only npm needs them.
  const { NODE_EXTRA_CA_CERTS: certificates } = process.env;
  if (certificates) process.env.npm_config_cafile ??= certificates;
  delete process.env.NODE_EXTRA_CA_CERTS;
  await bundle();
}
