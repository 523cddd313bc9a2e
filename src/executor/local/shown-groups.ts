/**
 * Control groups that a program sees in /sys/fs/cgroup, as in a container of Docker: virtual machines of Java and
 * others ask there how much memory and how many CPUs they may use. Pure.
 */
import { posix } from 'node:path';
import type { Container } from './container.js';
import { HARDENED, mountIn } from './mount-operations.js';
import type { Operation } from './operations.js';
import { MS } from './operations.js';

/** A control group of a container that has limits. */
export interface ShownGroup {
  /** Its directory on this machine. */
  readonly path: string;
  /** Version 1: the name of its hierarchy, such as `cpu,cpuacct`. Undefined: version 2, which has but one. */
  readonly name: string | undefined;
}

export const SHOWN_AT = '/sys/fs/cgroup';

/** One place of a group, or of a link to one. */
export interface ShownPlace {
  readonly group: ShownGroup;
  /** Below {@link SHOWN_AT}; empty: there. */
  readonly at: string;
  /** Other names of it: of each controller of a hierarchy that has several. */
  readonly links: readonly string[];
}

/** Where each of them is seen. Those of version 1 have directories; beside them version 2 has no limits. */
export function shownPlaces(groups: readonly ShownGroup[]): ShownPlace[] {
  const first = groups.filter(({ name }) => name !== undefined);
  if (first.length === 0) return groups.slice(0, 1).map((group) => ({ group, at: '', links: [] }));
  return first.map((group) => {
    const { name = '' } = group;
    const parts = name.split(',');
    return { group, at: name, links: parts.length > 1 ? parts : [] };
  });
}

/**
 * Mounts them in a container's /sys.
 * @param root where that is
 */
export function showGroups(
  { shownGroups, insecure }: Pick<Container, 'shownGroups' | 'insecure'>,
  root: string,
): Operation[] {
  const places = shownPlaces(shownGroups);
  const attributes = HARDENED | (insecure ? 0 : MS.RDONLY);
  const binds = places.map(({ group, at }): Operation => {
    const path = posix.join(SHOWN_AT, at);
    return { op: 'bind-in', root, source: group.path, path, attributes };
  });
  if (places.every(({ at }) => at === '')) return binds;
  return [
    mountIn(root, 'tmpfs', SHOWN_AT, 'tmpfs', HARDENED, 'mode=755,size=64k'),
    // Only this process can change anything there: plain names are safe.
    { op: 'chdir-in', root, path: SHOWN_AT },
    ...places.flatMap(({ at, links }): Operation[] => [
      { op: 'mkdir', path: at, mode: '755' },
      ...links.map((path): Operation => ({ op: 'symlink', target: at, path })),
    ]),
    ...binds,
    { op: 'restrict', path: '.', attributes },
    { op: 'chdir', path: '/' },
  ];
}
