/** What two images, or two steps, differ in: their packages, or their files. */
import type { PackageChange } from '../../attest/compare-packages.js';
import { comparePackages } from '../../attest/compare-packages.js';
import { installedPackages } from '../../attest/sbom.js';
import type { ListedPackage } from '../../attest/spdx-packages.js';
import { listedPackage } from '../../attest/spdx-packages.js';
import type { FileChange } from '../../fs/layer/diff-stacks.js';
import { diffStacks } from '../../fs/layer/diff-stacks.js';
import type { Stack } from '../../fs/layer/stack.js';
import type { Store } from '../../store/store.js';
import { imagePackages } from './carried.js';
import type { SubjectAccess } from './image-subject.js';
import { openSubject, subjectStack } from './image-subject.js';

/** One of two that are compared. Nothing is read before it is asked for. */
export interface ComparedSide {
  /** Its files, merged. */
  readonly stack: () => Promise<Stack>;
  readonly packages: () => Promise<readonly ListedPackage[]>;
}

/** Two that are compared. */
export type ComparedPair = readonly [before: ComparedSide, after: ComparedSide];

/** Two images, each of the store or of where its reference leads. @throws ImageError, UnsupportedError */
export async function comparedImages(
  store: Store,
  before: string,
  after: string,
  access: SubjectAccess,
): Promise<ComparedPair> {
  const open = async (name: string): Promise<ComparedSide> => {
    const subject = await openSubject(store, name, access);
    let stack: Promise<Stack> | undefined;
    return {
      stack: () => {
        stack ??= subjectStack(store, subject);
        return stack;
      },
      packages: () => imagePackages(store, subject),
    };
  };
  return [await open(before), await open(after)];
}

/** Two stacks that are at hand. */
export function comparedStacks(before: Stack, after: Stack): ComparedPair {
  const side = (stack: Stack): ComparedSide => ({
    stack: async () => stack,
    packages: async () => installedPackages(stack).map(listedPackage),
  });
  return [side(before), side(after)];
}

/** Packages that both differ in, sorted by name. @throws ImageError, UnsupportedError, NoSpaceError */
export async function changedPackages([old, now]: ComparedPair): Promise<PackageChange[]> {
  return comparePackages(await old.packages(), await now.packages());
}

/** Files that both differ in, sorted by path. @throws ImageError, UnsupportedError, NoSpaceError */
export async function changedFiles([old, now]: ComparedPair): Promise<FileChange[]> {
  const changes = await diffStacks(await old.stack(), await now.stack());
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Packages that two images differ in, sorted by name: as their layers say where they are here, else as the SBOM
 * says that the image carries, else as layers say that are fetched for it.
 * @throws ImageError, UnsupportedError, NoSpaceError
 */
export async function diffPackages(
  store: Store,
  before: string,
  after: string,
  access: SubjectAccess,
): Promise<PackageChange[]> {
  return changedPackages(await comparedImages(store, before, after, access));
}

/**
 * Files that two images differ in, sorted by path; layers that are not here are fetched.
 * @throws ImageError, UnsupportedError, NoSpaceError
 */
export async function diffFiles(
  store: Store,
  before: string,
  after: string,
  access: SubjectAccess,
): Promise<FileChange[]> {
  return changedFiles(await comparedImages(store, before, after, access));
}
