/** Layer directories: work in progress in tmp/, published ones in layers/, both by name. */
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { removeTree } from '../../fs/remove-tree.js';
import { removeTrees } from '../../native/store-files.js';
import { checkpoint } from '../../util/checkpoint.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { StoreDirectories, StorePaths } from '../paths.js';
import type { LayerId } from '../records.js';
import { base32, randomName } from './random-name.js';

/** A layer id from 16 bytes or more, such as random ones. */
export function layerIdFrom(bytes: Uint8Array): LayerId {
  return base32(bytes) as LayerId;
}

/** A name for a layer that is not there yet. */
export function newLayerId(): LayerId {
  return randomName() as LayerId;
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
 * Begins a layer. The directory's name says which process works on it, so that every process can tell
 * garbage from work in progress.
 * @param id a layer that entries refer to already; a new one unless given
 */
export function beginDraft(paths: StorePaths, id: LayerId = newLayerId()): Draft {
  const draft = getDraft(paths, id);
  // A recursive mkdir tries the last one first, and comes back.
  for (const path of [draft.path, join(draft.path, 'layer')])
    mkdirSync(path, { recursive: true, mode: 0o755 });
  makeRoot(draft);
  checkpoint('draft:begun');
  return draft;
}

/** Makes the directory that the layer's files go into. */
function makeRoot({ diff }: Draft): void {
  mkdirSync(diff, { recursive: true, mode: 0o755 });
  // It becomes the root of containers: neither our umask nor the group of a setgid directory that
  // the store is in may be seen in there.
  if (process.getuid?.() === 0) chownSync(diff, 0, 0);
  chmodSync(diff, 0o755);
}

/** Removes the layer's files, to make them anew. */
export function emptyDraft(draft: Draft): void {
  removeTree(draft.diff);
  makeRoot(draft);
}

/** The draft of a layer that this process makes. */
export function getDraft(paths: StorePaths, id: LayerId): Draft {
  const path = join(paths.tmp, `${id}.${paths.self.id}`);
  return { id, path, diff: join(path, 'layer', 'diff') };
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
      if (made !== undefined) removeTree(made);
    },
  };
}

/** Removes a draft and whatever is in it. */
export function discardDraft(draft: Draft): void {
  removeTree(draft.path);
}

/** The same by wiac-sys, while this process does something else. */
export async function discardDraftSoon({ tmp }: StorePaths, draft: Draft): Promise<void> {
  try {
    await removeTrees(tmp, [basename(draft.path)]);
  } catch {
    discardDraft(draft);
  }
}

/**
 * Moves a finished layer to its place; only the index makes it visible after that. The draft's own
 * directory stays until then: a process that is killed in between leaves it behind, and with it the
 * knowledge of which directory in layers/ is garbage (sweep.ts).
 */
export function placeLayer(paths: StorePaths, draft: Draft): void {
  renameSync(join(draft.path, 'layer'), join(paths.layers, draft.id));
  checkpoint('layer:renamed');
}

/** Makes the short symlink of a layer that was moved to its place, before it gets visible. */
export function makeLayerLink(paths: StorePaths, id: LayerId): void {
  symlinkSync(layerLinkTarget(id), layerLink(paths, id));
  checkpoint('layer:linked');
}

/** Path of a published layer's files. */
export function layerPath(paths: StoreDirectories, id: LayerId): string {
  return join(paths.layers, id, 'diff');
}

/** Path of a layer's files, wherever they are: another program may keep them (adopt-layer.ts). */
export function layerFiles(
  store: Indexed & { readonly paths: StoreDirectories },
  id: LayerId,
): string {
  return getTables(store).layers.get(id)?.external ?? layerPath(store.paths, id);
}

/** Path of the short symlink to a layer, as it stands in lowerdir strings. */
export function layerLink(paths: StoreDirectories, id: LayerId): string {
  return join(paths.links, id);
}

/** Short symlinks to layers, made again where a user removed them. @returns their paths */
export function layerLinks(paths: StoreDirectories, ids: readonly LayerId[]): string[] {
  return ids.map((id) => {
    const path = layerLink(paths, id);
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) {
      try {
        symlinkSync(layerLinkTarget(id), path);
      } catch (error) {
        // Another process was faster.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    return path;
  });
}

/** What the short symlink to a layer says. */
export function layerLinkTarget(id: LayerId): string {
  return join('..', 'layers', id, 'diff');
}

function removalNote(paths: StorePaths, id: LayerId): string {
  return join(paths.tmp, `${id}.${paths.self.id}`);
}

/**
 * Says in tmp/ that this process is going to remove a layer; in the transaction that takes it out
 * of the index. Should the process be killed after that, the files are found by this note (sweep.ts).
 * @returns the note, a directory
 */
export function announceRemoval(paths: StorePaths, id: LayerId): string {
  const note = removalNote(paths, id);
  mkdirSync(note, { recursive: true });
  return note;
}

/** Makes room for a layer: removes whatever has its name but is not in the index. */
export function clearPlace(paths: StorePaths, id: LayerId): void {
  rmSync(layerLink(paths, id), { force: true });
  checkpoint('remove:unlinked');
  removeTree(join(paths.layers, id));
}

/** Removes a layer's files; the caller has announced it and removed it from the index. */
export function removeLayer(paths: StorePaths, id: LayerId): void {
  clearPlace(paths, id);
  removeTree(removalNote(paths, id));
}

/** Gives a layer up that is not published, wherever it was on its way. */
export function abandonDraft(
  paths: StorePaths,
  draft: Draft,
  isPublished: (id: LayerId) => boolean,
): void {
  if (!isPublished(draft.id)) removeLayer(paths, draft.id);
  discardDraft(draft);
}

/** A new name in tmp/. When this process is gone, any process may delete the directory. */
export function temporaryPath(paths: StorePaths): string {
  return join(paths.tmp, `${newLayerId()}.${paths.self.id}`);
}

/** The layers that some of these directories are, by their link or their path; others are left out. */
export function getLayerIds(paths: StoreDirectories, directories: readonly string[]): LayerId[] {
  return directories.flatMap((path) => {
    const [, id] = /\/([a-z2-7]{16})(?:\/diff)?$/.exec(path) ?? [];
    if (id === undefined) return [];
    const layer = id as LayerId;
    return [layerLink(paths, layer), layerPath(paths, layer)].includes(path) ? [layer] : [];
  });
}
