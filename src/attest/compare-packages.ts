/** What packages two images differ in. Pure. */
import { compareVersions } from './package-versions.js';
import type { ListedPackage } from './spdx-packages.js';

/** One difference, from the first image to the second. */
export interface PackageChange {
  /** `changed`: another version, of a manager whose order of versions wiac does not know. */
  readonly change: 'added' | 'removed' | 'upgraded' | 'downgraded' | 'changed';
  readonly type: string;
  readonly name: string;
  /** Undefined for what was added. */
  readonly before: string | undefined;
  /** Undefined for what was removed. */
  readonly after: string | undefined;
}

function byPackage(packages: readonly ListedPackage[]): Map<string, ListedPackage[]> {
  const groups = new Map<string, ListedPackage[]>();
  for (const item of packages) {
    const key = JSON.stringify([item.name, item.type]);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Those of the first list that the second has not; each counts as often as it is there. */
function without(all: readonly ListedPackage[], others: readonly ListedPackage[]): ListedPackage[] {
  const key = ({ version, architecture }: ListedPackage) => JSON.stringify([version, architecture]);
  const counts = new Map<string, number>();
  for (const item of others) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return all.filter((item) => {
    const count = counts.get(key(item)) ?? 0;
    counts.set(key(item), count - 1);
    return count <= 0;
  });
}

function changeOf(before: ListedPackage, after: ListedPackage): PackageChange[] {
  const { type, name } = after;
  // The same program for another machine.
  if (before.version === after.version) return [];
  const order = compareVersions(type, before.version, after.version);
  const change =
    order === undefined || order === 0 ? 'changed' : order < 0 ? 'upgraded' : 'downgraded';
  return [{ change, type, name, before: before.version, after: after.version }];
}

function compareGroup(
  before: readonly ListedPackage[],
  after: readonly ListedPackage[],
): PackageChange[] {
  const [gone, come] = [without(before, after), without(after, before)];
  const [old, now] = [gone[0], come[0]];
  // Of several versions beside each other nobody knows which one took the place of which.
  if (old && now && gone.length === 1 && come.length === 1) return changeOf(old, now);
  return [
    ...gone.map(({ type, name, version }) => ({
      ...{ change: 'removed' as const, type, name },
      ...{ before: version, after: undefined },
    })),
    ...come.map(({ type, name, version }) => ({
      ...{ change: 'added' as const, type, name },
      ...{ before: undefined, after: version },
    })),
  ];
}

/** Sorted by name. */
export function comparePackages(
  before: readonly ListedPackage[],
  after: readonly ListedPackage[],
): PackageChange[] {
  const [old, now] = [byPackage(before), byPackage(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .flatMap((key) => compareGroup(old.get(key) ?? [], now.get(key) ?? []));
}
