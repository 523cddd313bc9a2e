/**
 * Control groups of a build's containers. To make them takes as long as to start a program: so those of the next
 * container are made while one runs, and a container that has ended leaves its own to another one.
 */
import { setImmediate } from 'node:timers/promises';
import type { ControlGroups } from './cgroup.js';
import { makeControlGroups, readHierarchies } from './cgroup.js';
import type { FindHierarchy } from './cgroup-hierarchy.js';
import type { ControlLimits } from './cgroup-limits.js';
import { deviceRules } from './device-rules.js';

/** Which devices a container may use. */
export type Devices = 'usual' | 'all';

export interface GroupPool {
  /** Groups for one container. @throws IsolationError as makeControlGroups */
  readonly take: (devices: Devices) => ControlGroups;
  /** Makes some for the next container of that kind, unless there are some. @returns those that it will get */
  readonly prepare: (devices: Devices) => ControlGroups | undefined;
  /**
   * Takes those of a container that has ended, with all of its processes.
   * @param mayDiffer its program could mount them, and write other limits into them
   */
  readonly giveBack: (groups: ControlGroups, devices: Devices, mayDiffer: boolean) => void;
  /** Removes all that are left. */
  readonly close: () => Promise<void>;
}

/**
 * May another container have these groups? Not those that count something besides processes: it would begin with what
 * the first one has used. A container that may use all devices may change its groups; and a program that restricts
 * devices is added for each container.
 */
function isReusable(groups: ControlGroups, devices: Devices, limits: ControlLimits): boolean {
  const { pids: _, ...others } = limits;
  const countsMore = Object.values(others).some((limit) => limit !== undefined);
  if (devices === 'all' || countsMore || groups.deviceFilter) return false;
  return groups.refusedProcesses() === 0;
}

/**
 * @param limits of each container
 * @param runtime that makes them; undefined: wiac does
 * @param vacate ends a container that waits in there: groups with processes can't be removed
 */
export function groupPool(
  limits: ControlLimits,
  runtime: string | undefined,
  vacate: (groups: ControlGroups) => Promise<void>,
): GroupPool {
  const ready = { usual: [] as ControlGroups[], all: [] as ControlGroups[] };
  const leaving = new Set<Promise<void>>();
  let closed = false;
  let find: FindHierarchy | undefined;
  const remove = async (groups: ControlGroups) => {
    await vacate(groups);
    await groups.remove();
  };
  const make = (devices: Devices) => {
    find ??= readHierarchies();
    const rules = devices === 'all' ? undefined : deviceRules([]);
    return makeControlGroups({ limits, devices: rules, runtime }, find);
  };
  return {
    take(devices) {
      return ready[devices].shift() ?? make(devices);
    },
    prepare(devices) {
      if (closed) return undefined;
      try {
        if (ready[devices].length === 0) ready[devices].push(make(devices));
      } catch {
        // The container that asks for them hears why.
      }
      return ready[devices][0];
    },
    giveBack(groups, devices, mayDiffer) {
      // The step behind it is begun first.
      const left = setImmediate()
        .then(async () => {
          const isWanted = !closed && !mayDiffer && isReusable(groups, devices, limits);
          if (isWanted) ready[devices].push(groups);
          else await remove(groups);
        })
        .finally(() => leaving.delete(left));
      leaving.add(left);
    },
    async close() {
      closed = true;
      await Promise.all(leaving);
      for (const groups of [...ready.usual.splice(0), ...ready.all.splice(0)]) await remove(groups);
    },
  };
}
