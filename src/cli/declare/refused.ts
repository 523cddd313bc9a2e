/** Options of docker, podman and buildah that wiac build and wiac run do not have, and what does the same. */

import { BY_PODMAN_RUN } from './refused-of-podman.js';

const NAMESPACES = 'every step has namespaces of its own; --isolation=chroot has fewer';
const COMPRESSION = 'set it on the output: -o type=image,push=true,compression=zstd';
const SBOM = '--sbom lists the packages in SPDX, beside the image; --attest type=sbom is the same';
const RUNTIME = 'wiac calls no hooks; an OCI runtime of your own can: --runtime';
const STAGES = 'wiac build --target STAGE -t NAME names a stage; it is in the cache already';
const POLICY = '--build-context NAME=docker-image://NAME@sha256:... says what an image name means';
const WINDOWS = 'it is for Windows images, which wiac does not build';

/** By the long name of the option, without dashes. */
const BY_BUILD: Readonly<Record<string, string>> = {
  'all-platforms': 'list the platforms: --platform linux/amd64,linux/arm64',
  'cache-ttl': '--no-cache runs every step, wiac cache prune --keep-days N forgets old ones',
  'cgroup-parent': 'limit the steps themselves: --memory, --cpus, --pids-limit',
  cgroupns: NAMESPACES,
  'compat-volumes': 'steps may change what is below a VOLUME, as with BuildKit',
  'compression-format': COMPRESSION,
  'compression-level': COMPRESSION,
  'cpp-flag': 'run the preprocessor yourself: cpp -E Dockerfile.in | wiac build -f - .',
  'created-annotation': '--annotation org.opencontainers.image.created=TIME says it',
  cw: 'wiac makes no encrypted disk images',
  'decryption-key': 'decrypt the base image first: skopeo copy --decryption-key',
  device: 'RUN --security=insecure has all devices, with --allow security.insecure',
  'force-compression': 'set it on the output: -o type=image,push=true,force-compression=true',
  'group-add': 'a step has the groups that /etc/group of the image gives its USER',
  'hooks-dir': RUNTIME,
  'iidfile-raw': '--iidfile writes it with sha256: before it: cut -d: -f2 FILE',
  'inherit-annotations': 'wiac never copies annotations of a base image',
  'inherit-labels': '--unsetlabel NAME leaves a label out',
  ipc: NAMESPACES,
  'layer-label': 'cached steps have no labels: wiac cache ls lists them',
  logsplit: 'build each platform by itself, with a --logfile of its own',
  manifest: 'several --platform with --push make an index; wiac imagetools create joins images',
  mount: 'write it into the Dockerfile: RUN --mount=...; --volume is for all steps',
  net: 'use --network',
  'os-feature': WINDOWS,
  'os-version': WINDOWS,
  pid: NAMESPACES,
  policy: POLICY,
  'raw-iidfile': '--iidfile writes it with sha256: before it: cut -d: -f2 FILE',
  'runtime-flag': 'write a script that gives the flag, and name it with --runtime',
  'save-stages': STAGES,
  'sbom-image-output': SBOM,
  'sbom-image-purl-output': SBOM,
  'sbom-merge-strategy': SBOM,
  'sbom-output': SBOM,
  'sbom-purl-output': SBOM,
  'sbom-scanner-command': SBOM,
  'sbom-scanner-image': SBOM,
  'security-opt':
    'all steps have the same sandbox; RUN --security=insecure has none, with --allow security.insecure',
  'sign-by': 'sign what was pushed: wiac sign',
  'source-policy-file': POLICY,
  'stage-labels': STAGES,
  stdin: 'steps have no standard input: write answers into the RUN (yes | command)',
  userns: NAMESPACES,
  'userns-gid-map': 'ranges come from /etc/subuid and /etc/subgid',
  'userns-gid-map-group': 'ranges come from /etc/subuid and /etc/subgid',
  'userns-uid-map': 'ranges come from /etc/subuid and /etc/subgid',
  'userns-uid-map-user': 'ranges come from /etc/subuid and /etc/subgid',
  uts: NAMESPACES,
};

const NETWORK =
  'the network is that of this machine, with its addresses; --network=private has others';
const BLOCKS = 'limit it in the unit that starts it: systemd-run -p IOWeight=... wiac run ...';
const REAL_TIME = 'give it to wiac, which passes it on: chrt ... wiac run ...';
const MEMORY = '--memory and --memory-swap limit it';

/** Those of docker run. */
const BY_RUN: Readonly<Record<string, string>> = {
  'blkio-weight': BLOCKS,
  'blkio-weight-device': BLOCKS,
  'cgroup-parent':
    'start wiac in that group; --memory, --cpus and --pids-limit make one for the program',
  cidfile: 'no container is left that could have an id',
  'cpu-rt-period': REAL_TIME,
  'cpu-rt-runtime': REAL_TIME,
  'device-cgroup-rule': '--device gives a device, --privileged all of them',
  'device-read-bps': BLOCKS,
  'device-read-iops': BLOCKS,
  'device-write-bps': BLOCKS,
  'device-write-iops': BLOCKS,
  domainname: '--hostname NAME.DOMAIN has it in the name',
  ip: NETWORK,
  ip6: NETWORK,
  'kernel-memory': MEMORY,
  'link-local-ip': NETWORK,
  'mac-address': NETWORK,
  'memory-reservation': MEMORY,
  'memory-swappiness': MEMORY,
  'oom-kill-disable': 'leave it out: --memory says how much there is',
  'oom-score-adj': 'give it to wiac, which passes it on: choom -n NUMBER -- wiac run ...',
  'storage-opt': '--layer DIRECTORY keeps what is written, on the file system that you choose',
  'volume-driver': '-v SOURCE:TARGET shows a directory, which may be on any file system',
};

const NO_DAEMON = 'leave it out: there is no daemon, everything is done on this machine';
const STORE = 'WIAC_ROOT=DIRECTORY says where the store is, which needs no driver';
const LOGGING = 'it goes with a command: wiac build --progress=plain, --log-level=LEVEL';

/** Those that docker, podman and buildah take before the command. */
const BEFORE_COMMANDS: Readonly<Record<string, string>> = {
  H: NO_DAEMON,
  connection: NO_DAEMON,
  context: NO_DAEMON,
  host: NO_DAEMON,
  remote: NO_DAEMON,
  tls: NO_DAEMON,
  tlsverify: NO_DAEMON,
  url: NO_DAEMON,
  root: STORE,
  runroot: STORE,
  'storage-driver': STORE,
  'storage-opt': STORE,
  D: LOGGING,
  debug: LOGGING,
  l: LOGGING,
  'log-level': LOGGING,
  config: 'DOCKER_CONFIG=DIRECTORY says where the logins are',
  'cgroup-manager': 'leave it out: wiac finds out which cgroups it may use',
  runtime: 'it goes with a command: wiac build --runtime, wiac run --runtime',
};

/** By command; '' is the program itself. */
const REFUSED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  '': BEFORE_COMMANDS,
  build: BY_BUILD,
  run: { ...BY_RUN, ...BY_PODMAN_RUN },
};

/**
 * What to do instead of an option.
 * @param command `build` or `run`, or '' before any; others have no such options
 * @param flag as it was given: `--device` or `--device=...`
 * @returns undefined for an option that none of the programs has
 */
export function insteadOf(command: string | undefined, flag: string): string | undefined {
  const [, name = ''] = /^(?:--|-(?=[A-Za-z]$))([^=]+)/.exec(flag) ?? [];
  const refused = REFUSED[command ?? ''] ?? {};
  return Object.hasOwn(refused, name) ? refused[name] : undefined;
}
