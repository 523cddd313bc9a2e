/**
 * Stacks of many layers. The kernel takes 10 microseconds a layer to mount an overlay, and looks each name
 * up in every layer, for every step anew. So the layers at the bottom are mounted once, for reading, and
 * steps have that mount as their lowest layer: what was looked up in it stays known. An overlay may stand
 * on another one, once (kernel documentation, filesystems/overlayfs, "Nesting").
 *
 * There is one such mount for a stack, and it begins at the lowest layer. A mount of layers from the middle
 * shows no whiteouts and no opaque directories: what its layers remove from those below would be back.
 *
 * Only stacks that are deeper than those of usual images are mounted so: in there a file that the step
 * has not changed has an inode number with more than 32 bits.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { WiacSys } from '../../native/wiac-sys.js';
import { IsolationError, UnsupportedError } from '../../util/errors.js';
import type { View } from './container.js';
import type { Overlay } from './operations.js';
import { MS } from './operations.js';
import { describeOverlay } from './overlay.js';
import { runOperations } from './sandbox.js';

/** So many directories are mounted as they are. */
const SHALLOW = 64;

/** A mount has a multiple of so many directories, so that few of them are made. */
const CHUNK = 32;

/**
 * So few layers stay beside a new mount; CHUNK more come until the next one. Each costs every step a part of its own
 * mount, and of each look for a name.
 */
const FEWEST = 8;

/** So many lower directories an overlay has at most (OVL_MAX_STACK of the kernel). */
const MOST = 500;

/** A stack in two parts, topmost first. */
export interface SplitStack {
  readonly top: readonly string[];
  /** Worth a mount of its own: the lowest directories, none left out. Empty for stacks that are not deep. */
  readonly bottom: readonly string[];
}

/**
 * Splits a stack.
 * @param lower directories, topmost first
 * @throws UnsupportedError for more than two overlays can have
 */
export function splitStack(lower: readonly string[]): SplitStack {
  if (lower.length <= SHALLOW) return { top: lower, bottom: [] };
  const size = Math.min(Math.floor((lower.length - FEWEST) / CHUNK) * CHUNK, MOST);
  const top = lower.slice(0, -size);
  // Besides the mount of the others, names in another order may be added.
  if (top.length + 2 <= MOST) return { top, bottom: lower.slice(-size) };
  throw new UnsupportedError(`there are ${lower.length} layers on top of each other`, undefined, {
    hint: `${2 * MOST - 2} can be mounted: put several commands into one RUN, or COPY --from=STAGE / /`,
  });
}

/**
 * The mounts of a view, first to last. Where one overlay can't have all its directories, the lowest ones are
 * mounted first, in the same place: the second mount stands on the first, and covers it.
 * @throws UnsupportedError for more than two overlays can have
 */
export function mountsOf({ root, overlay }: View): readonly View[] {
  if (overlay.lower.length <= MOST) return [{ root, overlay }];
  const { top, bottom } = splitStack(overlay.lower);
  return [
    { root, overlay: describeOverlay(bottom, undefined, false) },
    { root, overlay: onMount(overlay, [...top, root]) },
  ];
}

/** The same overlay on other directories, the lowest of which is a mount. */
function onMount(overlay: Overlay, lower: readonly string[]): Overlay {
  // One device for all files of the tree: tar, du and find may be told to stay on one.
  return { ...overlay, lower, options: `${overlay.options},xino=on` };
}

/** The mounts of one build. */
export interface DeepStacks {
  /**
   * The same overlay, with a mount in the place of its lowest directories if there are many.
   * @throws UnsupportedError for more than two overlays can have
   */
  readonly shorten: (overlay: Overlay) => Promise<Overlay>;
}

/**
 * @param sys has the mounts, and ends with the build
 * @param parent gives a directory for the places where they are mounted
 * @param onMounted is told that there is another one, which containers don't see that have begun
 */
export function deepStacks(sys: WiacSys, parent: () => string, onMounted: () => void): DeepStacks {
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
      onMounted();
      return target;
    } catch (error) {
      // The layers themselves do as well.
      if (error instanceof IsolationError) return undefined;
      throw error;
    }
  };
  const mountOnce = (bottom: readonly string[]): Promise<string | undefined> => {
    const key = bottom.join('\0');
    const known = mounts.get(key) ?? mountBottom(bottom);
    mounts.set(key, known);
    return known;
  };
  return {
    async shorten(overlay) {
      const { top, bottom } = splitStack(overlay.lower);
      if (bottom.length === 0) return overlay;
      const path = await mountOnce(bottom);
      return path === undefined ? overlay : onMount(overlay, [...top, path]);
    },
  };
}
