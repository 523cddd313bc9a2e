/** Where what a COPY selects goes in its layer, and the directories that are made for it. */
import { join } from 'node:path';
import type { DirectoryInput } from '../../keys/inputs.js';
import type { TreeEntry } from '../scan/tree.js';
import type { Selection } from '../select/select.js';
import type { EntryAttributes } from '../write.js';
import type { CopyRequest } from './copy-job.js';
import type { Owner } from './users.js';

/** A directory of the layer that is made where it is not there yet. */
export interface NewDirectory {
  /** Relative to the layer. */
  readonly path: string;
  readonly attributes: EntryAttributes;
}

const NEW_DIRECTORY_MODE = 0o755;

/**
 * The directories above the destination, with the attributes that the layers below have. Nothing is
 * made for a wildcard that matched nothing.
 */
export function ancestorDirectories(request: CopyRequest): NewDirectory[] {
  const { owner, destination, selections } = request;
  if (selections.length === 0) return [];
  const { uid, gid } = owner ?? { uid: 0, gid: 0 };
  return destination.ancestors.map(({ path, existing }) => ({
    path,
    attributes: existing ?? { mode: NEW_DIRECTORY_MODE, uid, gid },
  }));
}

/** Where a selection goes: the destination, with --parents a directory below it; '' is the root. */
export function targetPath({ destination }: CopyRequest, { below }: Selection): string {
  return join(destination.path, below).replace(/^\.$/, '');
}

/** Does a selection go into a directory? Else it is a file that gets the name of the destination. */
export function goesIntoDirectory(
  { destination, intoDirectory }: CopyRequest,
  { kind, below }: Selection,
): boolean {
  if (kind === 'directory' || intoDirectory || below !== '') return true;
  return destination.kind === 'directory' || destination.path === '';
}

/**
 * A directory that --parents goes through has what that of the source has, and so --chown and --chmod count for it. One
 * that is there keeps its owner, and gets the mode of the source as it is, as with BuildKit.
 */
function wayAttributes(
  { owner, chmod }: CopyRequest,
  copied: DirectoryInput,
  there: Owner | undefined,
): EntryAttributes {
  const { uid, gid } = there ?? owner ?? copied;
  return { mode: chmod && !there ? chmod(copied.mode, true) : copied.mode, uid, gid };
}

/**
 * The directory that a source directory's content goes into, or several files go into, with those
 * above it, outermost first.
 */
export function targetDirectories(request: CopyRequest, selection: Selection): NewDirectory[] {
  const { destination, owner } = request;
  const target = targetPath(request, selection);
  const components = target === '' ? [] : target.split('/');
  const { directory, ways = [] } = selection;
  const copies = directory ? [...ways, directory] : ways;
  const first = components.length - copies.length;
  return components.flatMap((_, index): NewDirectory[] => {
    const path = components.slice(0, index + 1).join('/');
    if (destination.kind === 'directory' && path === destination.path) return [];
    const copied = copies[index - first];
    if (!copied) {
      const { uid, gid } = owner ?? { uid: 0, gid: 0 };
      return [{ path, attributes: { mode: NEW_DIRECTORY_MODE, uid, gid } }];
    }
    const there =
      copied === directory ? undefined : destination.ways?.find((way) => way.path === path);
    return [{ path, attributes: wayAttributes(request, copied, there) }];
  });
}

/** Owner of a copy; undefined: the process that makes it. */
export function copiedOwner(
  { owner, ownership }: CopyRequest,
  entry: TreeEntry,
): Owner | undefined {
  return owner ?? (ownership === 'keep' ? entry : undefined);
}

/** Permission bits of a copy that is no directory. */
export function copiedMode({ chmod }: CopyRequest, { mode }: TreeEntry): number {
  return chmod ? chmod(mode, false) : mode;
}
