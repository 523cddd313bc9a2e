/** What two images differ in: their packages, or their files. */
import type { PackageChange } from '../../attest/compare-packages.js';
import { comparePackages } from '../../attest/compare-packages.js';
import type { FileChange } from '../../fs/layer/diff-stacks.js';
import { diffStacks } from '../../fs/layer/diff-stacks.js';
import type { Store } from '../../store/store.js';
import { imagePackages } from './carried.js';
import type { SubjectAccess } from './image-subject.js';
import { openSubject, subjectStack } from './image-subject.js';

async function openBoth(store: Store, before: string, after: string, access: SubjectAccess) {
  return [
    await openSubject(store, before, access),
    await openSubject(store, after, access),
  ] as const;
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
  const [old, now] = await openBoth(store, before, after, access);
  return comparePackages(await imagePackages(store, old), await imagePackages(store, now));
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
  const [old, now] = await openBoth(store, before, after, access);
  const changes = [...diffStacks(await subjectStack(store, old), await subjectStack(store, now))];
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}
