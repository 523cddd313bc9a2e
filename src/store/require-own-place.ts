/** Whoever made a store can make its parts lead elsewhere, where layers would be written and removed. */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreError } from '../util/errors.js';
import { inUserNamespace } from '../util/user-namespace.js';
import { storeParts, storePaths } from './paths.js';

const WRITABLE_BY_ALL = 0o002;
/** In a user namespace: whoever has no number there. ensurePrivileges() looked before wiac entered it. */
const NOBODY = 65_534;

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === process.geteuid?.() || (uid === NOBODY && inUserNamespace());
}

const isForAll = (directory: string) => (statSync(directory).mode & WRITABLE_BY_ALL) !== 0;

const HINT =
  'set WIAC_ROOT to a directory of your own (chown -R would change the files of its layers, too)';

/** @returns who else has made it, where somebody has */
function getStranger(path: string): number | undefined {
  const owner = lstatSync(path, { throwIfNoEntry: false })?.uid;
  return owner === undefined || isTrusted(owner) ? undefined : owner;
}

/** Looks at what lies in a directory. @throws StoreError */
function checkPlace(root: string, path: string): void {
  const stranger = getStranger(path);
  const parent = dirname(path);
  if (stranger === undefined || !isForAll(parent)) return;
  throw new StoreError(
    `the store ${root} is not used: ${path} is of another user (${stranger}), and everybody may make it in ${parent}`,
    { hint: HINT },
  );
}

/**
 * A store may lie in a directory that another user has given to us; what is in it is ours, whoever could make
 * something there. @throws StoreError
 */
function checkPart(root: string, path: string): void {
  const stranger = getStranger(path);
  if (stranger === undefined) return;
  throw new StoreError(
    `the store ${root} is not used: ${path} is of another user (${stranger}), and may lead elsewhere`,
    { hint: HINT },
  );
}

/** Looks at a path and all directories above it. @throws StoreError */
function checkPath(root: string, path: string): void {
  const parent = dirname(path);
  if (parent === path) return;
  checkPath(root, parent);
  checkPlace(root, path);
}

/**
 * @param root of a store, which need not be there yet
 * @throws StoreError when another user may have made it, or a part of it, or a directory above it, for us to find
 */
export function requireOwnPlace(root: string): void {
  const paths = storePaths(root);
  try {
    checkPath(root, root);
    checkPath(root, realpathSync(root));
    for (const path of [paths.version, paths.marks, ...storeParts(paths)]) checkPart(root, path);
  } catch (error) {
    // Nothing is there, or it can't be reached: then it is no store, and opening it says why.
    if (error instanceof StoreError) throw error;
  }
}
