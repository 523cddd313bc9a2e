/** Whether what a COPY or ADD takes can go where it is to go, and what of the layers below decides it. */
import { posix } from 'node:path';
import type { CopySources } from '../executor/local/copy-sources.js';
import type { Destination } from '../fs/layer/destination.js';
import type { Stack } from '../fs/layer/stack.js';
import { locate, openMergedView } from '../fs/layer/stack.js';
import type { Selection } from '../fs/select/select.js';
import { pathBelow } from '../fs/tree-path.js';
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

/** Paths from one directory to another that is below it, without the first. */
function pathsBetween(from: string, to: string): string[] {
  const names = posix.relative(`/${from}`, `/${to}`).split('/').filter(Boolean);
  return names.map((_, index) => posix.join(from, ...names.slice(0, index + 1)));
}

/**
 * BuildKit refuses to put a directory where the image has something else, and something else where it has a directory;
 * hiding a symlink such as /bin -> usr/bin below a new directory would break the image, and nobody asked for the files
 * of a directory to go. The destination of a COPY --link replaces what is there, as the reference says.
 * @returns directories below the destination that both have, and those that --parents goes through
 */
export function refuseConflicts(
  stack: Stack,
  step: CopyStep,
  destination: Destination,
  selections: readonly Selection[],
): { readonly shared: readonly string[]; readonly ways: readonly string[] } {
  const shared: string[] = [];
  const through: string[] = [];
  const view = openMergedView(stack);
  /** @returns is there a directory? */
  const requireDirectory = (target: string): boolean => {
    const there = locate(stack, target);
    if (!there || there.stats.isDirectory()) return there !== undefined;
    const hint = there.stats.isSymbolicLink()
      ? 'copy to the place the symbolic link leads to'
      : 'remove it in a RUN before, or copy to another place';
    throw new DockerfileError(
      `COPY would put a directory over /${target}, which is none`,
      step.location,
      { hint },
    );
  };
  const refuseDirectory = (target: string): never => {
    throw new DockerfileError(
      `COPY would put a file over /${target}, which is a directory`,
      step.location,
      { hint: 'remove the directory in a RUN before, or copy to another place' },
    );
  };
  const isDirectory = (target: string) => locate(stack, target)?.stats.isDirectory() ?? false;
  const placeFile = (target: string): void => {
    if (!step.link && isDirectory(target)) refuseDirectory(target);
  };
  const checkTree = (files: Selection['files'], path: string): void => {
    const names = new Set(files.names);
    const shown = names.size === 0 ? [] : view.list(path);
    for (const { name, isDirectory } of shown) {
      if (!names.has(name)) continue;
      const target = pathBelow(path, name);
      const directory = files.subdirectories.get(name);
      if (directory) {
        requireDirectory(target);
        shared.push(target);
        checkTree(directory, target);
      } else if (isDirectory) refuseDirectory(target);
    }
  };
  const requireWay = step.link ? isDirectory : requireDirectory;
  const into = step.destination.endsWith('/') || destination.kind === 'directory';
  try {
    for (const { kind, files, below, name } of selections) {
      // join() of nothing is '.'.
      const target = posix.join(destination.path, below).replace(/^\.$/, '');
      const isInto = kind === 'directory' || into || below !== '';
      const between = pathsBetween(destination.path, target);
      const ways = isInto ? [destination.path, ...between] : [];
      const isThere = ways.every((way) => way === '' || requireWay(way));
      // A directory that is copied itself gets the owner that its files get.
      if (kind === 'directory') shared.push(...between.slice(-1));
      through.push(...(kind === 'directory' ? between.slice(0, -1) : between));
      if (kind === 'file') placeFile(isInto ? pathBelow(target, name) : target);
      else if (isThere) checkTree(files, target);
    }
    for (const { name } of step.inline) {
      if (into && destination.path !== '') requireWay(destination.path);
      placeFile(into ? pathBelow(destination.path, name) : destination.path);
    }
  } finally {
    view.close();
  }
  return { shared, ways: through };
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
