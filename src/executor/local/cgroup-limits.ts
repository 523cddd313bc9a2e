/**
 * What a container may use of this machine, as the files of control groups take it: those of both
 * versions (Linux documentation, admin-guide/cgroup-v1 and admin-guide/cgroup-v2). Pure.
 */

import type { DeviceRule } from './device-rules.js';
import { ruleLine } from './device-rules.js';

/** Limits that were asked for; undefined: none. */
export interface ControlLimits {
  /** Bytes. */
  readonly memory?: number | undefined;
  /** Bytes of memory and swap together, -1: no limit for swap. */
  readonly memorySwap?: number | undefined;
  /** Microseconds of CPU time in each period; -1: no limit. */
  readonly cpuQuota?: number | undefined;
  /** Microseconds. */
  readonly cpuPeriod?: number | undefined;
  /** 2 to 262144, relative to that of others; 1024 is the kernel's default. */
  readonly cpuShares?: number | undefined;
  /** Lists such as 0-2,4. */
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
  /** Processes and threads; -1: no limit. Undefined: DEFAULT_PIDS, where a group can be made for it. */
  readonly pids?: number | undefined;
}

/**
 * Processes and threads of a container that was given no limit: podman's default, and more on large machines. A
 * program that starts others without end is to end itself, not the machine.
 */
export function defaultPids(cpus: number): number {
  return Math.max(2048, 256 * cpus);
}

/** What limits one kind of thing. */
export type Controller = 'cpu' | 'cpuset' | 'devices' | 'memory' | 'pids';

/** A value for a file of a control group. */
export interface Setting {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
  /** The option that asks for it, for messages. */
  readonly option: string;
  /** A consequence of another limit: left out where the kernel has no such file. */
  readonly optional: boolean;
}

type Line = readonly [file: string, value: string | number | undefined, option: string];

function settings(controller: Controller, lines: readonly Line[], optional = false): Setting[] {
  return lines.flatMap(([file, value, option]) =>
    value === undefined ? [] : [{ controller, file, value: String(value), option, optional }],
  );
}

/** As docker: without --memory-swap a container may swap as much as it has memory. */
function getSwap({ memory, memorySwap }: ControlLimits): number | undefined {
  if (memory === undefined) return undefined;
  return memorySwap ?? memory * 2;
}

function getPids(pids: number | undefined): number | undefined {
  return pids !== undefined && pids > 0 ? pids : undefined;
}

function cpusets({ cpusetCpus, cpusetMems }: ControlLimits): Setting[] {
  return settings('cpuset', [
    ['cpuset.cpus', cpusetCpus, '--cpuset-cpus'],
    ['cpuset.mems', cpusetMems, '--cpuset-mems'],
  ]);
}

/** Files of version 1, in the order in which they are to be written. */
export function settingsV1(limits: ControlLimits): Setting[] {
  const { memory, memorySwap, cpuQuota, cpuPeriod, cpuShares, pids } = limits;
  return [
    ...settings('memory', [['memory.limit_in_bytes', memory, '--memory']]),
    ...settings(
      'memory',
      [['memory.memsw.limit_in_bytes', getSwap(limits), '--memory-swap']],
      memorySwap === undefined,
    ),
    ...settings('cpu', [
      ['cpu.shares', cpuShares, '--cpu-shares'],
      ['cpu.cfs_period_us', cpuPeriod, '--cpu-period'],
      ['cpu.cfs_quota_us', cpuQuota, '--cpu-quota'],
    ]),
    ...cpusets(limits),
    ...settings('pids', [['pids.max', getPids(pids), '--pids-limit']]),
  ];
}

const MAX_SHARES = 262_144;
const MAX_WEIGHT = 10_000;

/** cpu.weight of 1 to 10,000 for cpu.shares of 2 to 262,144, as the OCI runtimes convert it. */
function getWeight(shares: number): number {
  return Math.floor(1 + ((shares - 2) * (MAX_WEIGHT - 1)) / (MAX_SHARES - 2));
}

const DEFAULT_PERIOD = 100_000;

/** Files of version 2. */
export function settingsV2(limits: ControlLimits): Setting[] {
  const { memory, memorySwap, cpuQuota, cpuPeriod, cpuShares, pids } = limits;
  const swap = getSwap(limits);
  const swapMax = swap === undefined ? undefined : swap < 0 ? 'max' : swap - (memory ?? 0);
  const quota = cpuQuota === undefined || cpuQuota < 0 ? 'max' : cpuQuota;
  const isCpuLimited = cpuQuota !== undefined || cpuPeriod !== undefined;
  return [
    ...settings('memory', [['memory.max', memory, '--memory']]),
    ...settings(
      'memory',
      [['memory.swap.max', swapMax, '--memory-swap']],
      memorySwap === undefined,
    ),
    ...settings('cpu', [
      ['cpu.weight', cpuShares === undefined ? undefined : getWeight(cpuShares), '--cpu-shares'],
      [
        'cpu.max',
        isCpuLimited ? `${quota} ${cpuPeriod ?? DEFAULT_PERIOD}` : undefined,
        cpuQuota === undefined ? '--cpu-period' : '--cpus',
      ],
    ]),
    ...cpusets(limits),
    ...settings('pids', [['pids.max', getPids(pids), '--pids-limit']]),
  ];
}

/** Files of version 1 that leave only these devices. */
export function deviceSettings(rules: readonly DeviceRule[]): Setting[] {
  const [option, optional] = ['--device', false];
  const allowed = rules.map(ruleLine);
  return [['devices.deny', 'a'], ...allowed.map((line) => ['devices.allow', line])].map(
    ([file = '', value = '']) => ({ controller: 'devices', file, value, option, optional }),
  );
}

/** Message about processes that the kernel did not start. */
export function refusedProcessesMessage(limit: number): string {
  return `the limit of processes and threads (${limit}) was reached, and the kernel started no more: what was made is not whole`;
}

/** Message about processes that the kernel killed. */
export function memoryKillMessage({ memory }: ControlLimits, kills: number): string {
  const processes = kills === 1 ? 'a process' : `${kills} processes`;
  return `out of memory: the kernel killed ${processes}, because the limit of --memory (${memory} bytes) was reached`;
}
