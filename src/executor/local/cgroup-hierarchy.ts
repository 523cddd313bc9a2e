/**
 * Which hierarchies of control groups there are, and where in them this process is (cgroups(7)). Pure:
 * the text of /proc/self/mountinfo and /proc/self/cgroup in, paths out.
 */
import { posix } from 'node:path';
import type { Controller } from './cgroup-limits.js';

/** The file of a group of version 2 that lists its processes. */
export const UNIFIED_MEMBERS = 'cgroup.procs';

/** A hierarchy of control groups that is mounted here. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** Where its topmost visible group is. */
  readonly mount: string;
  /** The group of this process, as an absolute path; the mount point when it lies outside. */
  readonly own: string;
}

interface Mount {
  readonly type: string;
  /** Which group is at the mount point. */
  readonly root: string;
  readonly target: string;
  readonly superOptions: readonly string[];
}

/** Octal escapes of mountinfo stand for blanks and the like (proc_pid_mountinfo(5)). */
function plainPath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line): Mount[] => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, target] = before.split(' ');
    const [type = '', , superOptions = ''] = after.split(' ');
    if (!type.startsWith('cgroup') || root === undefined || target === undefined) return [];
    return [
      {
        type,
        root: plainPath(root),
        target: plainPath(target),
        superOptions: superOptions.split(','),
      },
    ];
  });
}

/** @param controllers the second field: empty for version 2 */
function ownGroup(cgroup: string, matches: (controllers: string) => boolean): string {
  const line = cgroup.split('\n').find((each) => matches(each.split(':')[1] ?? ''));
  return line?.split(':').slice(2).join(':') ?? '/';
}

function ownPath({ root, target }: Mount, group: string): string {
  // Out of a namespace's view: the paths of groups above it begin so.
  if (group.startsWith('/..')) return target;
  const below = posix.relative(root, group);
  return below === '..' || below.startsWith('../') ? target : posix.join(target, below);
}

/** The hierarchy that a controller is in; undefined when none is mounted. */
export type FindHierarchy = (controller: Controller) => Hierarchy | undefined;

/** Reads what is mounted, once for all controllers. */
export function hierarchyFinder(mountinfo: string, cgroup: string): FindHierarchy {
  const mounts = parseMounts(mountinfo);
  return (controller) => findHierarchy(controller, mounts, cgroup);
}

/**
 * Where both versions are mounted (hybrid) a controller is in one of them; which of them version 2
 * has, its files say.
 */
function findHierarchy(
  controller: Controller,
  mounts: readonly Mount[],
  cgroup: string,
): Hierarchy | undefined {
  const first = mounts.find(
    ({ type, superOptions }) => type === 'cgroup' && superOptions.includes(controller),
  );
  if (first) {
    const group = ownGroup(cgroup, (list) => list.split(',').includes(controller));
    return { version: 1, mount: first.target, own: ownPath(first, group) };
  }
  const second = mounts.find(({ type }) => type === 'cgroup2');
  if (!second) return undefined;
  return {
    version: 2,
    mount: second.target,
    own: ownPath(
      second,
      ownGroup(cgroup, (l) => l === ''),
    ),
  };
}

/** The groups in which another can be made, the nearest first: this process's own, and those above. */
export function groupsAbove({ mount, own }: Hierarchy): string[] {
  const groups = [own];
  for (let at = own; at !== mount && at.startsWith(`${mount}/`); ) {
    at = posix.dirname(at);
    groups.push(at);
  }
  return groups;
}
