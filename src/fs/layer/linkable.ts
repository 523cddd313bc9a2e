/**
 * Which files of a layer can be other names of files in another one. Layers never change, and only the same
 * path is linked: else a program that sees both layers would see two names of one file.
 */
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

/** Can a copy be another name of its source? */
export function isLinkable(job: Job, [path, copy]: RegularCopy): boolean {
  const { file, alone, entry } = copy;
  const { owner, chmod } = job.request;
  if (!alone || owner || chmod || file.place.path !== path) return false;
  // Attributes are set when all is copied: they would be set in both layers.
  return entry.xattrs.length === 0 && canLinkFrom(job, file.place.root);
}
