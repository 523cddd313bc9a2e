/** overlayfs reads the marks of directories in `trusted.` or, in a user namespace, in `user.`: a store has one kind. */
import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { StoreError } from '../util/errors.js';
import { outsideIds, overlayMarks } from '../util/user-namespace.js';
import type { StoreDirectories, StorePaths } from './paths.js';

type Marks = ReturnType<typeof overlayMarks>;

/** @returns undefined where nothing is said, as after a power cut */
function readMarks(path: string): Marks | undefined {
  try {
    const text = readFileSync(path, 'latin1').trim();
    return text === 'trusted' || text === 'user' ? text : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Those of a store that does not say so, as older ones: root made what is root's, also seen from a namespace. */
function guessMarks(layers: string, ours: Marks): Marks {
  const own = process.geteuid?.();
  if (!existsSync(layers) || readdirSync(layers).length === 0) return ours;
  if (own !== 0 || statSync(layers).uid !== own) return 'user';
  return (outsideIds()?.uid ?? 0) === 0 ? 'trusted' : 'user';
}

/**
 * Before anything of the store is changed: it may be another user's.
 * @throws StoreError for a store whose layers would show files that were removed
 */
export function requireOwnMarks({ root, marks, layers }: StoreDirectories): void {
  const ours = overlayMarks();
  const theirs = readMarks(marks) ?? guessMarks(layers, ours);
  if (theirs === ours) return;
  const [made, used] = ['in a user namespace', 'by root outside of user namespaces'];
  const [first, second] = theirs === 'user' ? [made, used] : [used, made];
  throw new StoreError(`the store ${root} was made ${first}, and can't be used ${second}`, {
    hint: 'use it as before, or set WIAC_ROOT to another directory: in this one, files that steps removed would show again',
  });
}

/** Under the lock of the index, with the folders of the store. @throws StoreError as requireOwnMarks */
export function noteOwnMarks(paths: StorePaths): void {
  requireOwnMarks(paths);
  const { marks, tmp, self } = paths;
  if (readMarks(marks) !== undefined) return;
  const draft = join(tmp, `marks.${self.id}`);
  writeFileSync(draft, `${overlayMarks()}\n`);
  renameSync(draft, marks);
}
