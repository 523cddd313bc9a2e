/**
 * The directory of one layer, as the article's script has it: `diff` with the layer's files, `work`
 * for overlayfs, and `merged`, where a running container sees its root.
 */
import { readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { removeTree } from '../../fs/remove-tree.js';
import { getMessage } from '../../oci/image-error.js';
import { UsageError } from '../../util/errors.js';
import { makeDirectories } from '../../util/make-directories.js';
import { abandonedNames, isProcessName, processName } from '../../util/process-name.js';
import { statNamed } from '../../util/stat-named.js';

/** Where the parts of a layer directory are. */
export interface LayerDirectory {
  /** The layer's files: this is what another run takes as a lower directory. */
  readonly diff: string;
  /** Overlayfs's own, on the file system of `diff`; empty but while a program runs. */
  readonly work: string;
  /** Always empty for others: the mount on it is seen by the container alone. */
  readonly merged: string;
}

/** What overlayfs leaves in the work directory of the article's script. */
const OF_THE_SCRIPT = ['work', 'index'];

/**
 * A program in the container leaves setuid files of root's, which outside is the user who runs wiac: nobody else may get at
 * them, as in the store.
 */
const FOR_OWNER_ALONE = 0o700;

export function getParts(layer: string): LayerDirectory {
  const [diff, work, merged] = ['diff', 'work', 'merged'].map((name) => join(layer, name));
  return { diff, work, merged } as LayerDirectory;
}

/**
 * Makes a directory unless it is there, and those above it.
 * @param mode of all that are made
 * @throws UsageError when it can't be made
 */
export function makeLayerDirectory(path: string, mode = 0o777): void {
  try {
    makeDirectories(path, mode);
  } catch (cause) {
    throw new UsageError(`the layer directory ${path} can't be made: ${getMessage(cause)}`, {
      cause,
      hint: 'name one that you may write to',
    });
  }
}

/** A container layer while a program runs in it. */
export interface OpenLayer {
  readonly diff: string;
  /** Overlayfs's work directory, for this process alone. */
  readonly work: string;
  readonly close: () => void;
}

/** Overlayfs takes no lower directory that the program writes to. @throws UsageError */
function requireApart(diff: string, lower: readonly string[]): void {
  if (!statNamed(diff)) return;
  const written = realpathSync(diff);
  const shared = lower.find((path) => `${realpathSync(path)}/`.startsWith(`${written}/`));
  if (shared === undefined) return;
  throw new UsageError(`${shared} can't be below ${diff}, where the program writes`, {
    hint: 'name another container layer; that of an earlier run is given as a lower directory',
  });
}

/** What `work` has in it. @throws UsageError when that is not overlayfs's */
function namesOfWork(work: string): readonly string[] {
  const names = statNamed(work)?.isDirectory() ? readdirSync(work) : [];
  const other = names.find((name) => !OF_THE_SCRIPT.includes(name) && !isProcessName(name));
  if (other === undefined) return names;
  throw new UsageError(`${work} holds ${other}, and overlayfs would work in it`, {
    hint: 'name a directory that is no other project, or one that is not there yet',
  });
}

/**
 * Makes `work` and `merged` of a container layer, and the directories above them; `diff` is made by the function that
 * knows what its attributes have to be. Two that run in one layer have a work directory each.
 * @param lower directories below it
 * @throws UsageError when they can't be made, hold other files, or are below themselves; nothing is made then
 */
export function openContainerLayer(layer: string, lower: readonly string[]): OpenLayer {
  const { diff, work, merged } = getParts(layer);
  if (statNamed(diff)?.isDirectory() === false)
    throw new UsageError(`${diff} is not a directory`, { hint: 'name another layer' });
  requireApart(diff, lower);
  const names = namesOfWork(work);
  makeLayerDirectory(dirname(layer));
  makeLayerDirectory(layer, FOR_OWNER_ALONE);
  for (const path of [work, merged]) makeLayerDirectory(path);
  for (const name of abandonedNames(names)) removeTree(join(work, name));
  const own = join(work, processName());
  return { diff, work: own, close: () => removeTree(own) };
}
