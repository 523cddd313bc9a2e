/** Layer directories: work in progress in tmp/, published ones in layers/, both by name. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../layers/disk-usage.js';
import type { StorePaths } from './paths.js';
import { identitySuffix, isAlive, ownIdentity, parseIdentitySuffix } from './process-identity.js';
import type { LayerId } from './records.js';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

function newLayerId(): LayerId {
  return Array.from(randomBytes(16), (byte) => BASE32[byte & 31]).join('') as LayerId;
}

/** A layer that is being made. */
export interface Draft {
  readonly id: LayerId;
  /** Directory below tmp/ that holds everything of this draft. */
  readonly path: string;
  /** The layer's own files. */
  readonly diff: string;
}

/**
 * Begins a layer. The directory's name says which process works on it, so that anybody can tell
 * garbage from work in progress.
 */
export function beginDraft(paths: StorePaths): Draft {
  const id = newLayerId();
  const path = join(paths.tmp, `${id}.${identitySuffix(ownIdentity())}`);
  const diff = join(path, 'layer', 'diff');
  mkdirSync(diff, { recursive: true, mode: 0o755 });
  return { id, path, diff };
}

/** A directory in tmp/ for files of this process, made when it is first asked for. */
export function lazyScratch(paths: StorePaths): { path: () => string; remove: () => void } {
  let made: string | undefined;
  return {
    path: () => {
      if (made === undefined) {
        made = temporaryPath(paths);
        mkdirSync(made, { mode: 0o700 });
      }
      return made;
    },
    remove: () => {
      if (made !== undefined) rmSync(made, { recursive: true, force: true });
    },
  };
}

/** Removes a draft and whatever is in it. */
export function discardDraft(draft: Draft): void {
  rmSync(draft.path, { recursive: true, force: true });
}

/** Moves a finished layer to its place; only the index makes it visible after that. */
export function placeLayer(paths: StorePaths, draft: Draft): void {
  renameSync(join(draft.path, 'layer'), join(paths.layers, draft.id));
  symlinkSync(join('..', 'layers', draft.id, 'diff'), join(paths.links, draft.id));
  discardDraft(draft);
}

/** Path of a published layer's files. */
export function layerPath(paths: StorePaths, id: LayerId): string {
  return join(paths.layers, id, 'diff');
}

/** Path of the short symlink to a layer, as it stands in lowerdir strings. */
export function layerLink(paths: StorePaths, id: LayerId): string {
  return join(paths.links, id);
}

/** A new name in tmp/; when this process is gone, what has it may be deleted by anybody. */
export function temporaryPath(paths: StorePaths): string {
  return join(paths.tmp, `${newLayerId()}.${identitySuffix(ownIdentity())}`);
}

/** The layers that some of these directories are, by their link or their path; others are left out. */
export function layerIdsOf(paths: StorePaths, directories: readonly string[]): LayerId[] {
  return directories.flatMap((path) => {
    const [, id] = /\/([a-z2-7]{16})(?:\/diff)?$/.exec(path) ?? [];
    if (id === undefined) return [];
    const layer = id as LayerId;
    return [layerLink(paths, layer), layerPath(paths, layer)].includes(path) ? [layer] : [];
  });
}

/** Removes what processes that are gone left in tmp/. @returns bytes that were freed */
export function sweepDrafts(paths: StorePaths): number {
  let freed = 0;
  for (const name of readdirSync(paths.tmp)) {
    const identity = parseIdentitySuffix(name);
    if (identity && !isAlive(identity)) freed += removeTree(join(paths.tmp, name));
  }
  return freed;
}
