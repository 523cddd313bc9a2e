/** --memory, --cpus, --pids-limit and the like: what docker and podman call them and accept. */
import { availableParallelism } from 'node:os';
import type { ControlLimits } from '../executor/local/cgroup-limits.js';
import { UsageError } from '../util/errors.js';
import { memorySize } from './run-resources.js';

/** As commander gives them. */
export interface LimitOptions {
  readonly memory?: string;
  readonly memorySwap?: string;
  readonly cpus?: string;
  readonly cpuPeriod?: string;
  readonly cpuQuota?: string;
  readonly cpuShares?: string;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly pidsLimit?: string;
}

/** Docker's least: with less a program hardly starts. */
const MIN_MEMORY = 6 << 20;
const PERIOD_US = 100_000;
const MIN_PERIOD_US = 1000;
const MAX_PERIOD_US = 1_000_000;

function refuse(option: string, value: string, hint: string): never {
  throw new UsageError(`${option} ${value}: not possible`, { hint });
}

/** A whole number of the range. @returns undefined when nothing was given */
function whole(
  option: string,
  text: string | undefined,
  least: number,
  most: number,
  hint: string,
): number | undefined {
  if (text === undefined) return undefined;
  const number = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  return number >= least && number <= most ? number : refuse(option, text, hint);
}

function getMemory({ memory }: LimitOptions): number | undefined {
  if (memory === undefined) return undefined;
  const bytes = memorySize(memory, '--memory');
  if (bytes === 0) return undefined;
  return bytes >= MIN_MEMORY ? bytes : refuse('--memory', memory, 'give it at least 6m');
}

function getSwap({ memorySwap }: LimitOptions, memory: number | undefined): number | undefined {
  if (memorySwap === undefined || memorySwap === '0') return undefined;
  if (memory === undefined) refuse('--memory-swap', memorySwap, 'give --memory as well');
  if (memorySwap === '-1') return -1;
  const bytes = memorySize(memorySwap, '--memory-swap');
  return bytes >= memory
    ? bytes
    : refuse('--memory-swap', memorySwap, 'it is memory and swap together: at least --memory');
}

function getQuota(options: LimitOptions): Pick<ControlLimits, 'cpuQuota' | 'cpuPeriod'> {
  const { cpus, cpuPeriod, cpuQuota } = options;
  const period = whole(
    '--cpu-period',
    cpuPeriod === '0' ? undefined : cpuPeriod,
    MIN_PERIOD_US,
    MAX_PERIOD_US,
    'it is 1000 to 1000000 microseconds',
  );
  if (cpus === undefined) {
    const given = cpuQuota === '0' || cpuQuota === '-1' ? undefined : cpuQuota;
    const hint = 'it is at least 1000 microseconds';
    const quota = whole('--cpu-quota', given, MIN_PERIOD_US, Number.MAX_SAFE_INTEGER, hint);
    return { cpuQuota: quota, cpuPeriod: period };
  }
  if (cpuPeriod !== undefined || cpuQuota !== undefined)
    throw new UsageError('--cpus is --cpu-quota and --cpu-period in one', { hint: 'give either' });
  const number = /^\d*\.?\d+$/.test(cpus) ? Number(cpus) : Number.NaN;
  if (number === 0) return {};
  const most = availableParallelism();
  if (!(number >= 0.01 && number <= most))
    refuse('--cpus', cpus, `this machine has 0.01 to ${most} for it`);
  return { cpuQuota: Math.round(number * PERIOD_US), cpuPeriod: PERIOD_US };
}

function getList(option: string, list: string | undefined): string | undefined {
  if (list === undefined || list === '') return undefined;
  const isList = /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(list);
  return isList ? list : refuse(option, list, 'write a list like 0-2,4');
}

/** @throws UsageError for a value that can mean nothing */
export function parseLimits(options: LimitOptions): ControlLimits {
  const { cpuShares, cpusetCpus, cpusetMems, pidsLimit } = options;
  const memory = getMemory(options);
  const shares = cpuShares === '0' ? undefined : cpuShares;
  const most = Number.MAX_SAFE_INTEGER;
  const pids = whole('--pids-limit', pidsLimit, -1, most, 'write a number of processes');
  return {
    memory,
    memorySwap: getSwap(options, memory),
    ...getQuota(options),
    cpuShares: whole('--cpu-shares', shares, 2, 262_144, 'it is 2 to 262144'),
    cpusetCpus: getList('--cpuset-cpus', cpusetCpus),
    cpusetMems: getList('--cpuset-mems', cpusetMems),
    pids: pids === 0 ? -1 : pids,
  };
}
