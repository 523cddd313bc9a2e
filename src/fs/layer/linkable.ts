/**
 * Which files of a layer can be other names of files in another one. Layers never change, and only the same
 * path is linked: else a program that sees both layers would see two names of one file.
 */
import { getKind } from '../scan/file-stats.js';
import type { ScannedDirectory } from '../scan/listing.js';
import { OTHER_FIELDS } from '../scan/stat-names.js';
import type { Job } from './copy-job.js';
import type { RegularCopy } from './copy-regular.js';

/**
 * Can files of this layer be linked? A layer shares files with one group of layers alone: the first that is
 * asked for.
 */
export function canLinkFrom(job: Job, root: string): boolean {
  const group = job.request.linkable.get(root);
  if (group === undefined) return false;
  job.group ??= group;
  return job.group === group;
}

/**
 * Has a file this name alone? If it has more, a later step could link another one of them, and the image would show one
 * file where the two steps made two copies. Names in other layers do no harm, but they look the same from here.
 */
const hasOneName = (links: number | undefined) => links === 1;

/** Has each file of a directory, and of those below it, but one name? */
export function haveOneName({ count, others, subdirectories }: ScannedDirectory): boolean {
  for (let at = 0; at < count * OTHER_FIELDS; at += OTHER_FIELDS)
    if (getKind(others[at] as number) !== 'dir' && !hasOneName(others[at + 3])) return false;
  return [...subdirectories.values()].every(haveOneName);
}

/** Can a copy be another name of its source? */
export function isLinkable(job: Job, [path, copy]: RegularCopy): boolean {
  const { file, alone, entry } = copy;
  const { owner, chmod } = job.request;
  if (!alone || owner || chmod || file.place.path !== path) return false;
  if (!hasOneName(file.stats.nlink)) return false;
  // Attributes are set when all is copied: they would be set in both layers.
  return entry.xattrs.length === 0 && canLinkFrom(job, file.place.root);
}
