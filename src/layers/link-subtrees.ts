/**
 * Hard-links whole directories of a former layer with cp(1): two processes link twice as fast as
 * this one could (measured on ext4 with 20,000 files), and nothing is kept in memory for each file.
 */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import type { Scanned, ScannedDirectory } from '../context/listing.js';
import { countListed } from '../context/listing.js';
import { argumentBatches } from '../context/xattrs.js';
import type { TreeDigest } from '../keys/digest.js';
import { semaphore } from '../semaphore.js';

/** A directory that is as it was when the former layer was made, with everything below it. */
export interface Subtree {
  /** Relative to the layer; the directory that holds it is there already. */
  readonly path: string;
  readonly listed: Scanned & { readonly directory: ScannedDirectory };
  readonly digest: TreeDigest;
}

/** Fewer files than this are linked sooner than a process is started. */
const MIN_FILES = 2000;

/** The subtrees of each directory, which one cp can take: those that are worth a process. */
export function largeGroups(subtrees: readonly Subtree[]): Subtree[][] {
  const groups = new Map<string, { readonly members: Subtree[]; files: number }>();
  for (const subtree of subtrees) {
    const parent = dirname(subtree.path);
    const group = groups.get(parent) ?? { members: [], files: 0 };
    group.members.push(subtree);
    group.files += countListed(subtree.listed.directory).entries;
    groups.set(parent, group);
  }
  const large = [...groups.values()].filter(({ files }) => files >= MIN_FILES);
  return large.map(({ members }) => members);
}

/**
 * Links subtrees of a former layer into a new one; their directories have the former's attributes.
 * @returns those that could not be linked, of which nothing is in the new layer: a file has as many
 *   links as the file system allows, or the former layer was removed meanwhile
 */
export async function linkSubtrees(
  former: string,
  layer: string,
  groups: readonly (readonly Subtree[])[],
): Promise<Subtree[]> {
  const { execa } = await import('execa');
  const processes = availableParallelism();
  const oneOfFew = semaphore(processes);
  const failed: Subtree[] = [];
  const link = async (batch: readonly string[], members: readonly Subtree[]): Promise<void> => {
    const parent = `${layer}/${dirname(batch[0] ?? '')}`;
    const options = { cwd: former, reject: false } as const;
    const { exitCode } = await execa('cp', ['-al', '-t', parent, '--', ...batch], options);
    if (exitCode === 0) return;
    for (const path of batch) rmSync(`${layer}/${path}`, { recursive: true, force: true });
    failed.push(...members.filter(({ path }) => batch.includes(path)));
  };
  const running: Promise<void>[] = [];
  for (const group of groups) {
    const share = Math.ceil(group.length / processes);
    for (let at = 0; at < group.length; at += share) {
      const members = group.slice(at, at + share);
      for (const batch of argumentBatches(members.map(({ path }) => path)))
        running.push(oneOfFew(() => link(batch, members)));
    }
  }
  await Promise.all(running);
  return failed;
}
