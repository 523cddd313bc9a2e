/** Drafts of a build's layers. The one for the next container is made while one runs: its directories take a while. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Draft } from '../../store/layers/layer-store.js';
import { beginDraft, discardDraft } from '../../store/layers/layer-store.js';
import type { StorePaths } from '../../store/paths.js';

export interface DraftPool {
  /** A new draft. */
  readonly take: () => Draft;
  /** Makes one for the next step. */
  readonly prepare: () => void;
  /** Removes the one that no step took. */
  readonly close: () => void;
}

/** Overlayfs's work directory of a draft, on the file system of its layer (filesystems/overlayfs). */
export function workDirectory(path: string): string {
  const work = join(path, 'work');
  mkdirSync(work, { recursive: true });
  return work;
}

/** @param paths of the store that the layers are for */
export function draftPool(paths: StorePaths): DraftPool {
  let ready: Draft | undefined;
  let closed = false;
  return {
    take() {
      const draft = ready ?? beginDraft(paths);
      ready = undefined;
      return draft;
    },
    prepare() {
      if (closed || ready) return;
      try {
        ready = beginDraft(paths);
        workDirectory(ready.path);
      } catch {
        // The step that asks for one hears why.
      }
    },
    close() {
      closed = true;
      if (ready) discardDraft(ready);
      ready = undefined;
    },
  };
}
