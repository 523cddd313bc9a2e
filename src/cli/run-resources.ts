/** --add-host, --shm-size, --ulimit: what a build gives its RUN steps. */
import { isIP } from 'node:net';
import { UsageError } from '../errors.js';
import { DEFAULT_SHM_BYTES } from '../plan/plan.js';
import type { ResourceLimit, RunResources } from '../plan/step.js';

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
  return { resource, soft, hard: match[3] === undefined ? soft : value(match[3]) };
}

/** `name:address` or `name=address`; an IPv6 address may stand in brackets. */
function parseHost(text: string): string {
  const match = /^([^\s:=]+)[:=](?:\[([^\]]+)\]|(.+))$/.exec(text);
  const address = match?.[2] ?? match?.[3] ?? '';
  if (!match || isIP(address) === 0) {
    throw new UsageError(`--add-host ${text}: not understood`, {
      hint: 'write it like registry:10.0.0.1',
    });
  }
  return `${address}\t${match[1]}`;
}

const SIZE_UNITS = ['', 'k', 'm', 'g', 't', 'p'];

/**
 * Bytes of a size as docker writes it: 1048576, 64m, 1.5g, 64MB and 64MiB are 1024 times as much each.
 * @throws UsageError
 */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?$/i.exec(text);
  if (match) {
    const power = SIZE_UNITS.indexOf((match[2] ?? '').toLowerCase());
    return Math.floor(Number(match[1]) * 1024 ** power);
  }
  throw new UsageError(`${option} ${text}: not understood`, { hint: 'write it like 64m' });
}

/** @throws UsageError */
export function parseResources(options: {
  readonly addHost: readonly string[];
  readonly shmSize?: string;
  readonly ulimit: readonly string[];
}): RunResources {
  return {
    extraHosts: options.addHost.map(parseHost),
    shmSize:
      options.shmSize === undefined ? DEFAULT_SHM_BYTES : parseSize(options.shmSize, '--shm-size'),
    ulimits: options.ulimit.map(parseLimit),
  };
}
