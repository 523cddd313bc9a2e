/**
 * Control groups of a build's containers. Those of the next container are made while one runs: to make them
 * takes as long as to start a program.
 */
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
  /** Makes some for the next container of that kind. */
  readonly prepare: (devices: Devices) => void;
  /** Removes those that no container took. */
  readonly close: () => Promise<void>;
}

/** @param limits of each container */
export function groupPool(limits: ControlLimits): GroupPool {
  const ready = new Map<Devices, ControlGroups>();
  let closed = false;
  let find: FindHierarchy | undefined;
  const make = (devices: Devices) => {
    find ??= readHierarchies();
    return makeControlGroups(limits, devices === 'all' ? undefined : deviceRules([]), find);
  };
  return {
    take(devices) {
      const made = ready.get(devices);
      ready.delete(devices);
      return made ?? make(devices);
    },
    prepare(devices) {
      if (closed || ready.has(devices)) return;
      try {
        ready.set(devices, make(devices));
      } catch {
        // The container that asks for them hears why.
      }
    },
    async close() {
      closed = true;
      for (const groups of ready.values()) await groups.remove();
      ready.clear();
    },
  };
}
