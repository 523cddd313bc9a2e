/**
 * A container as an OCI runtime takes it: config.json of a bundle (runtime-spec, config.md and
 * config-linux.md). Pure: paths in, data out.
 */
import { posix } from 'node:path';
import type { Condition, Profile, Rule } from '../seccomp/profile.js';
import { ALLOW, applicableRules, KILL_PROCESS, LOG, TRACE, TRAP } from '../seccomp/profile.js';
import { ALL_CAPABILITIES, namesOf } from './capabilities.js';
import type { Container, MountPlace } from './container.js';
import { USUAL_UMASK } from './container.js';
import type { Device } from './devices.js';
import { PROTECTED } from './masked-paths.js';
import { compareMounts } from './mount-operations.js';
import { MS } from './operations.js';
import { kernelVersion } from './seccomp.js';
import { SHOWN_AT, shownPlaces } from './shown-groups.js';

/** Names of setrlimit(2) by their numbers in asm-generic/resource.h. */
const LIMITS = [
  ...['CPU', 'FSIZE', 'DATA', 'STACK', 'CORE', 'RSS', 'NPROC', 'NOFILE', 'MEMLOCK', 'AS', 'LOCKS'],
  ...['SIGPENDING', 'MSGQUEUE', 'NICE', 'RTPRIO', 'RTTIME'],
];

const OPERATORS = {
  '==': 'SCMP_CMP_EQ',
  '!=': 'SCMP_CMP_NE',
  '<': 'SCMP_CMP_LT',
  '<=': 'SCMP_CMP_LE',
  '>': 'SCMP_CMP_GT',
  '>=': 'SCMP_CMP_GE',
  masked: 'SCMP_CMP_MASKED_EQ',
} as const;

/** The convention of the machine, and those that its kernel takes besides. */
const CONVENTIONS: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};

const ERRNO = 0x00050000;
const DATA = 0xffff;

function action(value: number): { action: string; errnoRet?: number } {
  const kind = value & ~DATA;
  if (value === ALLOW) return { action: 'SCMP_ACT_ALLOW' };
  if (kind === ERRNO) return { action: 'SCMP_ACT_ERRNO', errnoRet: value & DATA };
  if (value === LOG) return { action: 'SCMP_ACT_LOG' };
  if (kind === TRACE) return { action: 'SCMP_ACT_TRACE', errnoRet: value & DATA };
  if (value === TRAP) return { action: 'SCMP_ACT_TRAP' };
  return { action: value === KILL_PROCESS ? 'SCMP_ACT_KILL_PROCESS' : 'SCMP_ACT_KILL' };
}

function argument({ argument: index, operator, value, masked }: Condition) {
  const second = masked === undefined ? {} : { valueTwo: Number(masked) };
  return { index, op: OPERATORS[operator], value: Number(value), ...second };
}

function systemCalls({ calls, action: value, conditions }: Rule) {
  return { names: calls, ...action(value), args: conditions.map(argument) };
}

function seccomp(profile: Profile, capabilities: readonly string[]) {
  const given = { architecture: process.arch, kernel: kernelVersion() };
  const rules = applicableRules(profile, { ...given, capabilities: new Set(capabilities) });
  const { action: defaultAction, errnoRet } = action(profile.otherwise);
  return {
    defaultAction,
    ...(errnoRet === undefined ? {} : { defaultErrnoRet: errnoRet }),
    architectures: CONVENTIONS[process.arch] ?? [],
    syscalls: rules.map(systemCalls),
  };
}

interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

const HARDENED = ['nosuid', 'noexec', 'nodev'];

/** Attributes for a bind of several mounts: without the second form those below would stay as they are. */
function withAllBelow(attributes: readonly string[]): string[] {
  const strict = attributes.filter((attribute) => attribute !== 'rw');
  return [...attributes, ...strict.map((attribute) => `r${attribute}`)];
}

/** As showGroups in a container that wiac makes; the runtime has what hides those of this machine. */
function groupMounts({ shownGroups, insecure }: Container): Mount[] {
  const places = shownPlaces(shownGroups);
  const access = insecure ? 'rw' : 'ro';
  const parent = {
    ...{ destination: SHOWN_AT, type: 'tmpfs', source: 'tmpfs' },
    options: [...HARDENED, 'mode=755', 'size=64k'],
  };
  return [
    ...(places.some(({ at }) => at !== '') ? [parent] : []),
    ...places.flatMap(({ group, at, links }) =>
      (links.length > 0 ? links : [at]).map((name) => ({
        ...{ destination: posix.join(SHOWN_AT, name), type: 'bind', source: group.path },
        options: ['bind', ...HARDENED, access],
      })),
    ),
  ];
}

function systemMounts(container: Container): Mount[] {
  const { insecure, mayMountSysfs, shmSize } = container;
  const access = insecure ? 'rw' : 'ro';
  const sys = mayMountSysfs
    ? { type: 'sysfs', source: 'sysfs', options: [...HARDENED, access] }
    : { type: 'bind', source: '/sys', options: ['rbind', ...withAllBelow([...HARDENED, access])] };
  const tmpfs = (destination: string, ...options: string[]) => ({
    ...{ destination, type: 'tmpfs', source: 'tmpfs' },
    options,
  });
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: HARDENED },
    tmpfs('/dev', 'nosuid', 'mode=755', 'size=64k'),
    {
      ...{ destination: '/dev/pts', type: 'devpts', source: 'devpts' },
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
    },
    tmpfs('/dev/shm', ...HARDENED, 'mode=1777', `size=${shmSize}`),
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: HARDENED },
    { destination: '/sys', ...sys },
    ...groupMounts(container),
  ];
}

/** In their order: see compareMounts. */
function ownMounts({ binds, tmpfs, insecure }: Container, places: readonly string[]): Mount[] {
  const devices = insecure ? [] : ['nodev'];
  const all = [
    ...tmpfs.map((item, index): [MountPlace, Mount] => {
      const { target, flags = MS.NOSUID | MS.NODEV } = item;
      const set = [
        ...(flags & MS.NOSUID ? ['nosuid'] : []),
        ...(flags & MS.NODEV ? ['nodev'] : []),
        ...(flags & MS.NOEXEC ? ['noexec'] : []),
        ...(flags & MS.RDONLY ? ['ro'] : []),
      ];
      const options = ['bind', 'rprivate', ...set];
      return [item, { destination: target, type: 'bind', source: places[index] ?? '', options }];
    }),
    ...binds.map((item): [MountPlace, Mount] => {
      const { target, source, kind, readOnly } = item;
      const access = readOnly ? 'ro' : 'rw';
      const attributes = [...devices, access];
      // Nothing is below a file, and crun would look for a directory.
      const all = kind === 'file' ? attributes : withAllBelow(attributes);
      const options = ['rbind', 'rprivate', ...all];
      return [item, { destination: target, type: 'bind', source, options }];
    }),
  ];
  return all.sort(([a], [b]) => compareMounts(a, b)).map(([, mount]) => mount);
}

function device({ path, kind, major, minor, mode, uid, gid }: Device) {
  const type = kind === 'block' ? 'b' : 'c';
  return { path: `/dev/${path}`, type, major, minor, fileMode: mode, uid, gid };
}

/** What is so on this machine. */
interface Circumstances {
  /** Numbers of the capabilities that wiac has: it can give no others. */
  readonly held: readonly number[];
  readonly terminal: boolean;
  /** Where the container's tmpfs are mounted already. */
  readonly places: readonly string[];
}

/** config.json. */
export function runtimeConfig(
  container: Container,
  { held, terminal, places }: Circumstances,
): object {
  const { restrictions, insecure, user, limits, network, hostname, masked } = container;
  const capabilities = insecure ? ALL_CAPABILITIES : restrictions.capabilities;
  const names = namesOf(capabilities.filter((number) => held.includes(number)));
  const own = names.map((name) => `CAP_${name}`);
  // A program of another user has none of them, but may get them by its file (capabilities(7)).
  const given = user.uid === 0 ? own : [];
  const profile = insecure ? undefined : restrictions.seccomp;
  return {
    ociVersion: '1.0.2',
    process: {
      terminal,
      user: {
        uid: user.uid,
        gid: user.gid,
        additionalGids: container.maySetGroups ? user.groups : [],
        umask: Number.parseInt(container.variation?.umask ?? USUAL_UMASK, 8),
      },
      args: container.argv,
      env: container.env.map(([name, value]) => `${name}=${value}`),
      cwd: container.workdir,
      capabilities: { bounding: own, effective: given, permitted: given },
      rlimits: limits.map(({ resource, soft, hard }) => {
        return { type: `RLIMIT_${LIMITS[resource]}`, soft, hard };
      }),
      noNewPrivileges: restrictions.noNewPrivileges,
    },
    root: { path: container.root, readonly: restrictions.readOnly },
    ...(hostname === undefined ? {} : { hostname }),
    mounts: [...systemMounts(container), ...ownMounts(container, places)],
    linux: {
      namespaces: [
        ...['mount', 'pid', 'ipc', 'uts', 'cgroup'],
        ...(network === 'none' ? ['network'] : []),
      ].map((type) => ({ type })),
      devices: container.devices.map(device),
      ...(insecure ? {} : { maskedPaths: masked, readonlyPaths: PROTECTED }),
      ...(profile ? { seccomp: seccomp(profile, names) } : {}),
    },
  };
}
