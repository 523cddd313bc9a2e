/**
 * Stacks of many layers. The kernel takes 10 microseconds a layer to mount an overlay, and looks each name
 * up in every layer, for every step anew. So the layers at the bottom are mounted once, for reading, and
 * steps have that mount as their lowest layer: what was looked up in it stays known. An overlay may stand
 * on another one, once (kernel documentation, filesystems/overlayfs, "Nesting").
 *
 * Only stacks that are deeper than those of usual images are mounted so: in there a file that the step
 * has not changed has an inode number with more than 32 bits.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { WiacSys } from '../../native/wiac-sys.js';
import { IsolationError } from '../../util/errors.js';
import type { Overlay } from './operations.js';
import { MS } from './operations.js';
import { describeOverlay } from './overlay.js';
import { runOperations } from './sandbox.js';

/** So many directories are mounted as they are. */
const SHALLOW = 64;

/** A mount has a multiple of so many directories: few of them are made, and few layers lie on top. */
const CHUNK = 32;

/**
 * Splits a stack: what lies on top, and what is worth a mount of its own.
 * @param lower directories, topmost first
 */
export function splitStack(lower: readonly string[]): {
  readonly top: readonly string[];
  readonly bottom: readonly string[];
} {
  if (lower.length <= SHALLOW) return { top: lower, bottom: [] };
  const size = Math.floor((lower.length - CHUNK) / CHUNK) * CHUNK;
  return { top: lower.slice(0, -size), bottom: lower.slice(-size) };
}

/** The mounts of one build. */
export interface DeepStacks {
  /** The same overlay, with a mount in the place of its lowest directories if there are many. */
  readonly shorten: (overlay: Overlay) => Promise<Overlay>;
}

/**
 * @param sys has the mounts, and ends with the build
 * @param parent gives a directory for the places where they are mounted
 */
export function deepStacks(sys: WiacSys, parent: () => string): DeepStacks {
  const mounts = new Map<string, Promise<string | undefined>>();
  const mountBottom = async (bottom: readonly string[]): Promise<string | undefined> => {
    // A build that starts over has the same parent, where the mounts of its first try are.
    const target = mkdtempSync(join(parent(), 'layers-'));
    const overlay = describeOverlay(bottom, undefined, false);
    try {
      await runOperations(sys, [
        { op: 'share-mounts' },
        { op: 'clone', flags: 0 },
        { op: 'overlay', target, flags: MS.RDONLY | MS.NODEV, ...overlay },
        { op: 'end' },
      ]);
      return target;
    } catch (error) {
      // The layers themselves do as well.
      if (error instanceof IsolationError) return undefined;
      throw error;
    }
  };
  return {
    async shorten(overlay) {
      const { top, bottom } = splitStack(overlay.lower);
      if (bottom.length === 0) return overlay;
      const key = bottom.join('\0');
      const mounted = mounts.get(key) ?? mountBottom(bottom);
      mounts.set(key, mounted);
      const path = await mounted;
      if (path === undefined) return overlay;
      // One device for all files of the tree: tar, du and find may be told to stay on one.
      return { ...overlay, lower: [...top, path], options: `${overlay.options},xino=on` };
    },
  };
}
