/** Layer directories: work in progress in tmp/, published ones in layers/, both by name. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { StorePaths } from './paths.js';
import { identitySuffix, isAlive, ownIdentity, parseIdentitySuffix } from './process-identity.js';
import type { LayerId } from './records.js';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** A name for a layer that is not there yet. */
export function newLayerId(): LayerId {
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
 * @param id a layer that entries refer to already; a new one unless given
 */
export function beginDraft(paths: StorePaths, id: LayerId = newLayerId()): Draft {
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
        made = join(paths.tmp, `${newLayerId()}.${identitySuffix(ownIdentity())}`);
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

/** Removes a layer's files; the caller has removed it from the index before. */
export function removeLayer(paths: StorePaths, id: LayerId): void {
  rmSync(layerLink(paths, id), { force: true });
  rmSync(join(paths.layers, id), { recursive: true, force: true });
}

/** Removes what processes that are gone left in tmp/. */
export function sweepDrafts(paths: StorePaths): void {
  for (const name of readdirSync(paths.tmp)) {
    const identity = parseIdentitySuffix(name);
    if (identity && !isAlive(identity)) {
      rmSync(join(paths.tmp, name), { recursive: true, force: true });
    }
  }
}
