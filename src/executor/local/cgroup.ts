/**
 * Control groups for containers: made before, removed after, swept away when the process that made them was
 * killed. Limits that were asked for are set or are an error, never ignored.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Directory } from '../../fs/directory.js';
import {
  closeDirectory,
  listKinds,
  openDirectory,
  openRoot,
  textEntry,
} from '../../fs/directory.js';
import { IsolationError } from '../../util/errors.js';
import { abandonedHere, processName } from '../../util/process-name.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import type { FindHierarchy, Hierarchy } from './cgroup-hierarchy.js';
import { groupsAbove, hierarchyFinder, UNIFIED_MEMBERS } from './cgroup-hierarchy.js';
import type { ControlLimits, Controller, Setting } from './cgroup-limits.js';
import { defaultPids, deviceSettings, settingsV1, settingsV2 } from './cgroup-limits.js';
import { deviceProgram } from './device-program.js';
import type { DeviceRule } from './device-rules.js';
import type { DeviceFilter } from './operations.js';
import type { ShownGroup } from './shown-groups.js';

/** Control groups of one container, one a hierarchy. */
export interface ControlGroups {
  /** The file of each that the process writes 0 to which is to join them; it has one thread. */
  readonly members: readonly string[];
  /** What restricts the devices of the one of version 2. */
  readonly deviceFilter: DeviceFilter | undefined;
  /** Those that its program sees, because somebody asked for limits. */
  readonly shown: readonly ShownGroup[];
  /** How many of its processes the kernel has killed because the memory limit was reached. */
  readonly memoryKills: () => number;
  /** How many processes the kernel did not start because the limit was reached. */
  readonly refusedProcesses: () => number;
  /** How many there may be at a time; undefined: as many as the machine allows. */
  readonly maxProcesses: number | undefined;
  readonly remove: () => Promise<void>;
}

const NONE: ControlGroups = {
  members: [],
  deviceFilter: undefined,
  shown: [],
  memoryKills: () => 0,
  refusedProcesses: () => 0,
  maxProcesses: undefined,
  remove: async () => {},
};

const CONTROLLERS: readonly Controller[] = ['memory', 'cpu', 'cpuset', 'pids', 'devices'];

function getCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

/** The hierarchies as they are mounted now, and where this process is in them now. */
export function readHierarchies(): FindHierarchy {
  const [mountinfo, cgroup] = ['mountinfo', 'cgroup'].map((name) =>
    readFileSync(`/proc/self/${name}`, 'utf8'),
  ) as [string, string];
  return hierarchyFinder(mountinfo, cgroup);
}

/** Writes a file of the kernel's; it is never made, because that would fail in riddles. */
function set(group: string, file: string, value: string): void {
  writeFileSync(join(group, file), value, { flag: 'r+' });
}

function words(group: string, file: string): string[] {
  return readFileSync(join(group, file), 'utf8').split(/\s+/).filter(Boolean);
}

/** Version 2: the groups in a group have the controllers that it hands on. */
function handOn(group: string, controllers: readonly Controller[]): void {
  const handed = words(group, 'cgroup.subtree_control');
  // Devices are no controller there: a program sees to them.
  const missing = controllers.filter(
    (controller) => controller !== 'devices' && !handed.includes(controller),
  );
  if (missing.length === 0) return;
  set(group, 'cgroup.subtree_control', missing.map((controller) => `+${controller}`).join(' '));
}

/** Version 1: a group has no CPUs and no memory nodes until it gets some. */
function inheritCpuset(parent: string, group: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    set(group, file, readFileSync(join(parent, file), 'utf8').trim());
}

function apply(group: string, settings: readonly Setting[]): void {
  for (const { file, value, option, optional } of settings) {
    try {
      set(group, file, value);
    } catch (error) {
      const code = getCode(error);
      if (optional && (code === 'ENOENT' || code === 'EINVAL')) continue;
      throw new IsolationError(`${option}: the kernel takes no ${value} for ${file} (${code})`, {
        hint:
          code === 'ENOENT'
            ? 'it was built or started without that limit (swap: swapaccount=1)'
            : 'the control groups above it allow no more',
      });
    }
  }
}

/** Makes a group with its limits. @throws the file system's errors; IsolationError for a bad value */
function makeGroup(
  parent: string,
  name: string,
  { version }: Hierarchy,
  settings: readonly Setting[],
): string {
  const controllers = [...new Set(settings.map(({ controller }) => controller))];
  if (version === 2) handOn(parent, controllers);
  const group = join(parent, name);
  mkdirSync(group);
  try {
    if (version === 1 && controllers.includes('cpuset')) inheritCpuset(parent, group);
    apply(group, settings);
    return group;
  } catch (error) {
    rmdirSync(group);
    throw error;
  }
}

/** Makes the group as near to this process's own as the kernel and its rights allow. */
function makeNearby(name: string, hierarchy: Hierarchy, settings: readonly Setting[]): string {
  const refused: string[] = [];
  for (const parent of groupsAbove(hierarchy)) {
    try {
      return makeGroup(parent, name, hierarchy, settings);
    } catch (error) {
      if (error instanceof IsolationError) throw error;
      refused.push(`${parent}: ${getCode(error)}`);
    }
  }
  const asked = settings.filter(({ optional }) => !optional).map(({ option }) => option);
  const options = [...new Set(asked)].join(', ');
  throw new IsolationError(
    `${options}: no control group can be made here (${refused.join('; ')})`,
    {
      hint: 'run wiac as root, or in a group of its own: systemd-run --user --scope -p Delegate=yes wiac ...',
    },
  );
}

/** What a container may use of this machine. */
interface Wanted {
  readonly limits: ControlLimits;
  /** Undefined: all devices. */
  readonly devices: readonly DeviceRule[] | undefined;
  /** The OCI runtime that makes it; undefined: wiac does. */
  readonly runtime?: string | undefined;
}

/** The settings of each hierarchy, by its mount point. */
function byHierarchy({ limits, devices }: Wanted, find: FindHierarchy): [Hierarchy, Setting[]][] {
  const found = new Map<string, [Hierarchy, Setting[]]>();
  const rules = devices ? deviceSettings(devices) : [];
  const [first, second] = [[...settingsV1(limits), ...rules], settingsV2(limits)];
  for (const controller of CONTROLLERS) {
    const asked = first.filter((setting) => setting.controller === controller);
    const [{ option } = { option: '' }] = asked;
    if (asked.length === 0) continue;
    const hierarchy = find(controller);
    if (!hierarchy) {
      throw new IsolationError(`${option}: there is no control group for it on this machine`, {
        hint: 'mount /sys/fs/cgroup, or leave the limit out',
      });
    }
    const settings = (hierarchy.version === 1 ? first : second).filter(
      (setting) => setting.controller === controller,
    );
    const before = found.get(hierarchy.mount)?.[1] ?? [];
    found.set(hierarchy.mount, [hierarchy, [...before, ...settings]]);
  }
  return [...found.values()];
}

/** The sum of a number in files of groups; 0 where there is none. */
function count(groups: readonly string[], files: readonly string[], line: RegExp): number {
  const counts = groups.flatMap((group) =>
    files.map((file) => {
      try {
        return Number(line.exec(readFileSync(join(group, file), 'utf8'))?.[1] ?? 0);
      } catch {
        // A file of the other version, or of a group without this controller.
        return 0;
      }
    }),
  );
  return counts.reduce((sum, number) => sum + number, 0);
}

/** How long the kernel may take to let go of processes that have ended. */
const PATIENCE_MS = [5, 20, 100, 400, 1000];

/** A container that may mount file systems can make groups in its own, of any names, and deeper than a path may be. */
function removeWithin(group: Directory): void {
  for (const { name, isDirectory } of listKinds(group)) {
    if (!isDirectory) continue;
    const inner = openDirectory(group, name);
    try {
      removeWithin(inner);
    } finally {
      closeDirectory(inner);
    }
    rmdirSync(textEntry(group, name));
  }
}

function removeNow(group: string): void {
  try {
    rmdirSync(group);
  } catch (error) {
    if (getCode(error) !== 'EBUSY') throw error;
    const open = openRoot(group);
    try {
      removeWithin(open);
    } finally {
      closeDirectory(open);
    }
    rmdirSync(group);
  }
}

async function remove(group: string): Promise<void> {
  for (const pause of [...PATIENCE_MS, undefined]) {
    try {
      return removeNow(group);
    } catch (error) {
      // What can't be removed now, the next command sweeps away.
      if (getCode(error) !== 'EBUSY' || pause === undefined) return;
    }
    await sleep(pause);
  }
}

/**
 * A thread joins in 0.3 ms. For a process the kernel first waits until no other one forks: version 2 has nothing
 * else, but processes may begin in a group (container.ts).
 */
function memberFile({ version }: Hierarchy): string {
  return version === 1 ? 'tasks' : UNIFIED_MEMBERS;
}

/** The program for the hierarchy that devices are in, should that be of version 2. */
function makeFilter(
  { devices, runtime }: Wanted,
  members: readonly string[],
  find: FindHierarchy,
): DeviceFilter | undefined {
  const unified = members.find((path) => path.endsWith(`/${UNIFIED_MEMBERS}`));
  if (!devices || unified === undefined || find('devices')?.version !== 2) return undefined;
  const required = runtime !== undefined;
  return { group: dirname(unified), program: deviceProgram(devices), required };
}

function makeLimited(asked: Wanted, find: FindHierarchy): ControlGroups {
  const wanted = byHierarchy(asked, find);
  if (wanted.length === 0) return NONE;
  const name = processName();
  const groups: string[] = [];
  const members: string[] = [];
  /** Those that a controller is in: the others have none of its files. */
  const of = (controller: Controller) =>
    groups.filter((_, at) => wanted[at]?.[1].some((setting) => setting.controller === controller));
  try {
    for (const [hierarchy, settings] of wanted) {
      const group = makeNearby(name, hierarchy, settings);
      groups.push(group);
      members.push(join(group, memberFile(hierarchy)));
    }
  } catch (error) {
    for (const group of groups) rmdirSync(group);
    throw error;
  }
  return {
    members,
    deviceFilter: makeFilter(asked, members, find),
    shown: wanted.map(([{ version, mount }], at) => ({
      path: groups[at] ?? '',
      name: version === 1 ? basename(mount) : undefined,
    })),
    memoryKills: () =>
      count(of('memory'), ['memory.events', 'memory.oom_control'], /^oom_kill (\d+)$/m),
    refusedProcesses: () => count(of('pids'), ['pids.events'], /^max (\d+)$/m),
    maxProcesses: asked.limits.pids,
    remove: async () => {
      for (const group of groups) await remove(group);
    },
  };
}

/**
 * An OCI runtime makes devices in the container's /dev, and crun mounts the root anew: there whatever a program makes
 * itself is this machine's disk, unless its control group says otherwise.
 */
function makeRestricted({ limits, devices, runtime }: Wanted, find: FindHierarchy): ControlGroups {
  try {
    return makeLimited({ limits, devices, runtime }, find);
  } catch (error) {
    // Limits that are not possible have an error of their own.
    const { members } = makeLimited({ limits, devices: undefined }, find);
    for (const member of members) rmdirSync(dirname(member));
    const reason = error instanceof Error ? error.message.replace(/^--device: /, '') : error;
    throw new IsolationError(
      `--runtime=${runtime}: nothing would keep its containers from this machine's devices: ${reason}`,
      { hint: 'leave --runtime out, or run wiac where it may write to /sys/fs/cgroup' },
    );
  }
}

/** Also with what nobody asked for, where that is possible: a limit of processes, and of devices. */
function makeUsual(
  { limits, devices: rules, runtime }: Wanted,
  find: FindHierarchy,
): ControlGroups {
  const pids = limits.pids ?? defaultPids(availableParallelism());
  const usual = { ...limits, pids };
  // In a user namespace no node is a device, and nobody may set rules.
  const devices = inUserNamespace() ? undefined : rules;
  const attempts: readonly Wanted[] = [
    ...(devices ? [{ limits: usual, devices, runtime }] : []),
    ...(devices && runtime !== undefined ? [] : [{ limits: usual, devices: undefined }]),
    ...(devices ? [{ limits, devices, runtime }] : []),
  ];
  for (const attempt of attempts) {
    try {
      return makeLimited(attempt, find);
    } catch {
      // Told below, when it is the limits that are not possible.
    }
  }
  const isRestricted = devices && runtime !== undefined;
  return isRestricted
    ? makeRestricted({ limits, devices, runtime }, find)
    : makeLimited({ limits, devices: undefined }, find);
}

/**
 * Makes control groups with the limits; where that is possible, also with what nobody asked for: a limit of
 * processes, and the devices that a container may use.
 * @param find what was read before, for many containers
 * @throws IsolationError when this machine, the kernel or its rights do not allow what was asked for, or what an OCI
 *   runtime can't be used without
 */
export function makeControlGroups(wanted: Wanted, find = readHierarchies()): ControlGroups {
  const groups = makeUsual(wanted, find);
  const hasLimits = Object.values(wanted.limits).some((limit) => limit !== undefined);
  return hasLimits ? groups : { ...groups, shown: [] };
}

function namesIn(group: string): string[] {
  try {
    return readdirSync(group);
  } catch {
    return [];
  }
}

/** Removes the control groups of processes that were killed before they could do it. */
export function sweepControlGroups(): void {
  const find = readHierarchies();
  const hierarchies = CONTROLLERS.flatMap((controller) => find(controller) ?? []);
  const parents = new Set(hierarchies.flatMap(groupsAbove));
  for (const parent of parents) {
    for (const name of abandonedHere(namesIn(parent))) {
      try {
        removeNow(join(parent, name));
      } catch {
        // Its processes have not ended yet, or another program made it.
      }
    }
  }
}
