/** Ends of a container that its program is told nothing of: no memory, or no further process. */
import { readFileSync } from 'node:fs';
import type { ControlGroups } from './cgroup.js';
import type { ControlLimits } from './cgroup-limits.js';
import { memoryKillMessage, refusedProcessesMessage } from './cgroup-limits.js';

/** How many processes the kernel has ever ended on this machine for want of memory. */
function machineKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

const KILLED = 137;
const WATCH_MS = 1000;

/** So many refused processes are a fork bomb, which never ends by itself: wiac ends it. */
const MANY = 100;

/** Looks after one container, from its start to its end. */
export interface Watch {
  /** Ends a program that starts processes without end. */
  readonly signal: AbortSignal;
  readonly stop: () => void;
  /** Why a program failed that ended so; undefined when that was none of the reasons here. */
  readonly reason: (code: number) => { message: string; hint?: string } | undefined;
}

/** @param limits that were asked for */
export function watchResources(groups: ControlGroups, limits: ControlLimits): Watch {
  const before = machineKills();
  const bomb = new AbortController();
  const timer = setInterval(() => {
    if (groups.refusedProcesses() >= MANY) bomb.abort();
  }, WATCH_MS);
  timer.unref();
  const reason: Watch['reason'] = (code) => {
    const { maxProcesses } = groups;
    if (maxProcesses !== undefined && groups.refusedProcesses() > 0) {
      const hint = '--pids-limit=NUMBER allows more, or fewer';
      return { message: refusedProcessesMessage(maxProcesses), hint };
    }
    if (code === 0) return undefined;
    const kills = groups.memoryKills();
    if (kills > 0) return { message: memoryKillMessage(limits, kills) };
    if (code !== KILLED || machineKills() === before) return undefined;
    const hint =
      'give the machine, or the control group that wiac is in, more memory; or build less at a time: -j 1';
    return { message: 'the kernel has ended a process, because memory ran out', hint };
  };
  return { signal: bomb.signal, stop: () => clearInterval(timer), reason };
}
