/** --add-host, --dns, --volume, --cap-add and so on: what a build gives its RUN steps. */
import { isIP } from 'node:net';
import { capabilitiesNamed } from '../executor/local/capabilities.js';
import { DEFAULT_SHM_BYTES } from '../plan/plan.js';
import type { ResourceLimit, RunResources } from '../plan/step.js';
import { UsageError } from '../util/errors.js';
import { parseBinarySize } from '../util/units.js';
import { parseVolume } from './volumes.js';

/** Numbers of linux/resource.h by the names that docker uses. */
const RESOURCES: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** `-1` means no limit; JSON has no number for it, so the largest exact one stands for it. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

function parseLimit(text: string): ResourceLimit {
  const match = /^([a-z]+)=(-1|\d+)(?::(-1|\d+))?$/.exec(text);
  const resource = RESOURCES[match?.[1] ?? ''];
  if (!match || resource === undefined) {
    throw new UsageError(`--ulimit ${text}: not understood`, {
      hint: 'write it like nofile=1024:2048',
    });
  }
  const value = (digits: string | undefined) => (digits === '-1' ? UNLIMITED : Number(digits));
  const soft = value(match[2]);
  const hard = match[3] === undefined ? soft : value(match[3]);
  if (soft <= hard) return { resource, soft, hard };
  throw new UsageError(`--ulimit ${text}: the soft limit is above the hard one`, {
    hint: 'the first number is the soft limit, and may be raised up to the second',
  });
}

/** Steps have this machine's network: what listens on its loopback address is reached by the same. */
const HOST_GATEWAY = '127.0.0.1';

/** `name[;name]:address` or `name=address`; an IPv6 address may stand in brackets. */
function parseHost(text: string, network: string | undefined): string[] {
  const match = /^([^\s:=]+)[:=](?:\[([^\]]+)\]|(.+))$/.exec(text);
  const given = match?.[2] ?? match?.[3] ?? '';
  const address = given === 'host-gateway' ? HOST_GATEWAY : given;
  const names = match?.[1]?.split(';') ?? [];
  if (given === 'host-gateway' && network === 'private') {
    throw new UsageError(`--add-host ${text}: a private network does not lead to this machine`, {
      hint: 'give an address that others reach this machine by, or use --network=host',
    });
  }
  if (isIP(address) === 0 || names.includes('')) {
    throw new UsageError(`--add-host ${text}: not understood`, {
      hint: 'write it like registry:10.0.0.1, or registry:host-gateway for this machine',
    });
  }
  return names.map((name) => `${address}\t${name}`);
}

function parseCapabilities(option: string, items: readonly string[]): number[] {
  const numbers = items
    .flatMap((item) => item.split(','))
    .flatMap((name) => {
      const found = capabilitiesNamed(name);
      if (found) return found;
      throw new UsageError(`${option} ${name}: there is no such capability`, {
        hint: 'capabilities(7) lists them: NET_ADMIN, CAP_SYS_PTRACE, ALL ...',
      });
    });
  return [...new Set(numbers)].sort((a, b) => a - b);
}

/** Options of the resolver; undefined: those of this machine. @throws UsageError */
function parseResolver(options: ResourceOptions): RunResources['resolver'] {
  const [servers = [], search = [], words = []] = [
    options.dns,
    options.dnsSearch,
    options.dnsOption,
  ].map((items) => items?.flatMap((item) => item.split(',')));
  if (servers.length + search.length + words.length === 0) return undefined;
  if (options.network === 'none')
    throw new UsageError('--dns, --dns-search and --dns-option make no sense with --network=none');
  if (servers.includes('none')) {
    if (servers.length + search.length + words.length === 1) return 'none';
    throw new UsageError('--dns none stands alone: the image has its own /etc/resolv.conf then');
  }
  const wrong = servers.find((server) => isIP(server) === 0);
  if (wrong !== undefined)
    throw new UsageError(`--dns ${wrong}: that is no address`, { hint: 'write --dns 1.1.1.1' });
  const strange = [...search, ...words].find((word) => /\s/.test(word) || word === '');
  if (strange !== undefined)
    throw new UsageError(`--dns-search, --dns-option: "${strange}" is no word`);
  return { servers, search, options: words };
}

/** Bytes of memory that an option asks for. @throws UsageError */
export function memorySize(text: string, option: string): number {
  const bytes = parseBinarySize(text);
  if (bytes !== undefined) return bytes;
  throw new UsageError(`${option} ${text}: not understood`, { hint: 'write it like 64m' });
}

/** As commander gives them. */
export interface ResourceOptions {
  readonly addHost: readonly string[];
  readonly shmSize?: string;
  readonly ulimit: readonly string[];
  readonly network?: string;
  /** False: --no-hosts. */
  readonly hosts?: boolean;
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOption?: readonly string[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly volume?: readonly string[];
}

/** @throws UsageError */
export function parseResources(options: ResourceOptions): RunResources {
  const resolver = parseResolver(options);
  const add = parseCapabilities('--cap-add', options.capAdd ?? []);
  const drop = parseCapabilities('--cap-drop', options.capDrop ?? []);
  const volumes = options.volume?.map(parseVolume) ?? [];
  if (options.hosts === false && options.addHost.length > 0)
    throw new UsageError('--add-host and --no-hosts exclude each other');
  return {
    ...(options.hosts === false ? { noHosts: true } : {}),
    ...(resolver === undefined ? {} : { resolver }),
    ...(add.length + drop.length > 0 ? { capabilities: { add, drop } } : {}),
    ...(volumes.length > 0 ? { volumes } : {}),
    extraHosts: options.addHost.flatMap((text) => parseHost(text, options.network)),
    // A tmpfs of size 0 would have no limit; docker takes 0 for the usual size.
    shmSize: memorySize(options.shmSize ?? '0', '--shm-size') || DEFAULT_SHM_BYTES,
    ulimits: options.ulimit.map(parseLimit),
  };
}
