/** Whether what a COPY or ADD takes can go where it is to go, and what of the layers below decides it. */
import { posix } from 'node:path';
import type { CopySources } from '../executor/local/copy-sources.js';
import type { Destination } from '../fs/layer/destination.js';
import type { Stack } from '../fs/layer/stack.js';
import { locate } from '../fs/layer/stack.js';
import type { Selection } from '../fs/select/select.js';
import type { CopyStep } from '../plan/step.js';
import { DockerfileError } from '../util/errors.js';
import type { LookupSession } from './build-session.js';
import { layerDigests } from './build-session.js';
import type { DestinationReads, StepState } from './lookup.js';

/**
 * Several sources can only go into a directory: one that is there, or directories, which merge into
 * a new one. Of what one wildcard means the last file stays, as in BuildKit.
 */
export function refuseDestination(
  step: CopyStep,
  destination: Destination,
  { selections, archives }: CopySources,
): void {
  if (archives.length > 0 && destination.kind === 'other') {
    throw new DockerfileError(
      `an archive can't be unpacked into /${destination.path}, which is no directory`,
      step.location,
      { hint: 'choose another destination, or keep the archive as it is with --unpack=false' },
    );
  }
  const several = step.sources.length + step.inline.length > 1;
  if (!several || step.parents || step.destination.endsWith('/')) return;
  if (destination.kind === 'directory') return;
  const isTree = (selection: Selection) =>
    selection.kind === 'directory' || archives.includes(selection);
  if (step.inline.length === 0 && selections.every(isTree)) return;
  throw new DockerfileError(
    `several sources (${step.sources.join(' ')}) can't become the file ${step.destination}`,
    step.location,
    { hint: `end the destination with a slash: ${step.destination}/` },
  );
}

/**
 * BuildKit refuses to put a directory where the image has something else; hiding a symlink such as
 * /bin -> usr/bin below a new directory would break the image.
 */
export function refuseConflicts(
  stack: Stack,
  step: CopyStep,
  destination: Destination,
  selections: readonly Selection[],
): void {
  const check = (files: Selection['files'], path: string): void => {
    for (const [name, directory] of files.subdirectories) {
      const target = path === '' ? name : `${path}/${name}`;
      const there = locate(stack, target);
      if (there && !there.stats.isDirectory()) {
        throw new DockerfileError(
          `COPY would put a directory over /${target}, which is none`,
          step.location,
          {
            hint: there.stats.isSymbolicLink()
              ? 'copy to the place the symbolic link leads to'
              : undefined,
          },
        );
      }
      if (there) check(directory, target);
    }
  };
  for (const { kind, files, below } of selections) {
    // join() of nothing is '.'.
    const target = posix.join(destination.path, below).replace(/^\.$/, '');
    if (kind === 'directory') check(files, target);
  }
}

/**
 * The names of an archive go through directories and symbolic links of the layers below: then all
 * of their files may decide what the step makes.
 */
export async function withLayersBelow(
  session: LookupSession,
  reads: DestinationReads,
  { archives }: CopySources,
  base: StepState,
): Promise<DestinationReads> {
  if (archives.length === 0 || reads.destination.kind !== 'directory') return reads;
  if (base.layers.length === 0) return reads;
  const layers = await layerDigests(session, base.layers);
  return { ...reads, facts: { ...(reads.facts as object), layers } };
}
