/** From the options of `wiac run` to what a container may do and has. */
import { hostname } from 'node:os';
import { posix } from 'node:path';
import { getCapabilities } from '../executor/local/capabilities.js';
import type { Restrictions } from '../executor/local/container.js';
import { DEFAULT_RESTRICTIONS } from '../executor/local/container.js';
import type { Device } from '../executor/local/devices.js';
import { getDevice } from '../executor/local/devices.js';
import type { ProgramRequest } from '../executor/local/run-program.js';
import type { Profile } from '../executor/seccomp/profile.js';
import { parseProfile } from '../executor/seccomp/profile-file.js';
import { UsageError } from '../util/errors.js';
import { readNamedFile } from '../util/regular-file.js';
import { statNamed } from '../util/stat-named.js';
import { parseMounts } from './run-mount-options.js';
import type { RunOptions } from './run-options.js';
import { parseResources } from './run-resources.js';
import { findRuntime } from './runtime.js';

/** What the options alone decide. */
export type ContainerSettings = Pick<
  ProgramRequest,
  | 'binds'
  | 'devices'
  | 'groups'
  | 'isolation'
  | 'runtime'
  | 'limits'
  | 'names'
  | 'privileged'
  | 'restrictions'
  | 'shmSize'
  | 'terminal'
  | 'tmpfs'
>;

/** `/dev/NAME[:/dev/OTHER][:rwm]` */
function parseDevice(value: string): Device {
  const refuse = (problem: string, hint: string): never => {
    throw new UsageError(`--device ${value}: ${problem}`, { hint });
  };
  const parts = value.split(':');
  const last = parts.at(-1) ?? '';
  const rights = parts.length > 1 && /^[rwm]+$/.test(last) ? last : undefined;
  const [source = '', target = source, ...rest] = rights ? parts.slice(0, -1) : parts;
  if (rest.length > 0) refuse('not understood', 'write /dev/NAME:/dev/NAME:rwm');
  if (rights && !(rights.includes('r') && rights.includes('w')))
    refuse(`wiac can't give it with ${rights} alone`, 'its mode says who may read and write it');
  const path = posix.normalize(target);
  if (!path.startsWith('/dev/')) refuse('it has to be below /dev', 'write /dev/NAME:/dev/NAME');
  const stats = statNamed(source);
  const device = stats && getDevice(source, path.slice('/dev/'.length), stats);
  return device ?? refuse('that is no device', 'name one of /dev');
}

type SecurityOptions = Pick<Restrictions, 'seccomp' | 'noNewPrivileges'>;

/** @throws UsageError for a file that is no profile */
function readProfile(file: string): Profile {
  const bad = (why: string) =>
    new UsageError(`--security-opt seccomp=${file}: ${why}`, {
      hint: 'it takes unconfined, or a file such as seccomp/default.json of moby/profiles',
    });
  let text: string;
  try {
    text = readNamedFile(file).toString();
  } catch (error) {
    throw bad((error as Error).message);
  }
  const profile = parseProfile(text);
  if ('wrong' in profile) throw bad(`it is no profile: ${profile.wrong}`);
  return profile;
}

/** What docker's --security-opt takes and wiac has. */
function parseSecurity(values: readonly string[]): SecurityOptions {
  let { seccomp, noNewPrivileges } = DEFAULT_RESTRICTIONS;
  for (const value of values) {
    const [name, setting = ''] = value.split(/[=:](.*)/s);
    if (name === 'no-new-privileges') noNewPrivileges = setting !== 'false';
    else if (name === 'seccomp' && setting === 'unconfined') seccomp = undefined;
    else if (name === 'seccomp' && setting === 'builtin') seccomp = DEFAULT_RESTRICTIONS.seccomp;
    else if (name === 'seccomp' && setting !== '') seccomp = readProfile(setting);
    // wiac labels nothing, and has no profile that could be put aside.
    else if (!(name === 'label' || (name === 'apparmor' && setting === 'unconfined'))) {
      throw new UsageError(`--security-opt ${value}: wiac can't do that`, {
        hint: 'no-new-privileges, seccomp=unconfined and seccomp=FILE are there',
      });
    }
  }
  return { seccomp, noNewPrivileges };
}

function getRestrictions(options: RunOptions): Restrictions {
  const { capAdd, capDrop, readOnly, init } = options;
  const list = (values: readonly string[]) => values.flatMap((value) => value.split(','));
  const capabilities = getCapabilities(list(capAdd), list(capDrop));
  if ('unknown' in capabilities) {
    throw new UsageError(`there is no capability ${capabilities.unknown}`, {
      hint: 'capabilities(7) has their names, such as NET_ADMIN; ALL is all of them',
    });
  }
  const security = parseSecurity(options.securityOpt);
  return { ...DEFAULT_RESTRICTIONS, ...security, capabilities, readOnly, init };
}

/** A name that sethostname(2) and /etc/hosts take. Services of compose files have underscores. */
const HOSTNAME = /^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,62}[a-zA-Z0-9_])?$/;

function getHostname({ hostname: name }: RunOptions): string {
  if (!name) return hostname();
  if (HOSTNAME.test(name)) return name;
  throw new UsageError(`--hostname ${name}: that is no host name`, {
    hint: 'letters, digits, dots, hyphens and underscores, at most 64',
  });
}

/** @throws UsageError */
export function containerSettings(options: RunOptions): ContainerSettings {
  const { isolation, net, network, privileged, device, groupAdd } = options;
  const mode = net ?? network;
  const { addHost, ulimit, dns, dnsSearch, dnsOption } = options;
  const { extraHosts, shmSize, ulimits, resolver } = parseResources({
    ...(options.shmSize === undefined ? {} : { shmSize: options.shmSize }),
    ...{ addHost, ulimit, dns, dnsSearch, dnsOption },
    ...(mode === 'private' ? { network: mode } : {}),
  });
  return {
    isolation,
    runtime: findRuntime(options),
    ...parseMounts(options),
    names: {
      network: mode,
      extraHosts,
      hostname: getHostname(options),
      resolver,
    },
    groups: groupAdd,
    privileged,
    devices: device.map(parseDevice),
    restrictions: getRestrictions(options),
    shmSize,
    terminal: options.tty,
    limits: ulimits,
  };
}
