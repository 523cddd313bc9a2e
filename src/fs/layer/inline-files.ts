/** Files whose content stands in the Dockerfile (here-documents of COPY and ADD). */

import { closeSync, fchmodSync, fchownSync, futimesSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { SourceLocation } from '../../util/errors.js';
import { DockerfileError } from '../../util/errors.js';
import { parentPath, pathBelow } from '../tree-path.js';
import type { Walker } from '../walker.js';
import { openWalker } from '../walker.js';
import { createFile, ensureEntry, setDirectory } from '../write.js';
import type { Destination } from './destination.js';
import { NO_TIME } from './settle-times.js';
import type { Owner } from './users.js';

/** Where they go, and what they get. */
export interface InlineRequest {
  readonly destination: Destination;
  readonly intoDirectory: boolean;
  readonly owner: Owner;
  readonly mode: number;
  readonly location: SourceLocation;
}

/**
 * Makes the directories of a path that the layer does not have yet.
 * @param destination those that the layers below have look as they do there
 * @param owner of the others
 */
export function ensureDirectories(
  walker: Walker,
  path: string,
  destination: Destination,
  owner: Owner,
): void {
  const below = new Map(destination.ancestors.map(({ path, existing }) => [path, existing]));
  let at = '';
  for (const name of path === '' ? [] : path.split('/')) {
    const made = ensureEntry(walker.at(at), name);
    at = pathBelow(at, name);
    if (made) setDirectory(walker.at(at), below.get(at) ?? { mode: 0o755, ...owner });
  }
}

/**
 * Writes files into a layer. What has the name of one is replaced, never written through.
 * @param layer trusted path
 * @throws DockerfileError when a directory has the name
 */
export function writeInlineFiles(
  layer: string,
  files: readonly { readonly name: string; readonly content: string }[],
  { destination, intoDirectory, owner, mode, location }: InlineRequest,
): void {
  const into = intoDirectory || destination.kind === 'directory';
  const parent = into ? destination.path : parentPath(destination.path);
  const walker = openWalker(layer);
  try {
    for (const { name, content } of files) {
      ensureDirectories(walker, parent, destination, owner);
      const own = into ? name : basename(destination.path);
      const fd = createInline(walker, parent, own, location);
      try {
        writeFileSync(fd, content);
        fchownSync(fd, owner.uid, owner.gid);
        fchmodSync(fd, mode);
        futimesSync(fd, NO_TIME, NO_TIME);
      } finally {
        closeSync(fd);
      }
    }
  } finally {
    walker.close();
  }
}

function createInline(
  walker: Walker,
  parent: string,
  name: string,
  location: SourceLocation,
): number {
  try {
    return createFile(walker.at(parent), name, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
    throw new DockerfileError(
      `the here-document ${name} would replace a directory of that name`,
      location,
      { hint: 'give it another name, or leave the directory out with --exclude' },
    );
  }
}
