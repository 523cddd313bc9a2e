/**
 * Stacks of many layers. The kernel takes 10 microseconds a layer to mount an overlay, and looks each name
 * up in every layer, for every step anew. So the layers at the bottom are mounted once, for reading, and
 * steps have these mounts as their lowest layers: what was looked up in them stays known. An overlay may
 * stand on another one, once (kernel documentation, filesystems/overlayfs, "Nesting"), and on 500 layers.
 *
 * Only stacks that are deeper than those of usual images are mounted so: in there a file that the step
 * has not changed has an inode number with more than 32 bits.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { WiacSys } from '../../native/wiac-sys.js';
import { IsolationError } from '../../util/errors.js';
import type { View } from './container.js';
import type { Overlay } from './operations.js';
import { MS } from './operations.js';
import { describeOverlay } from './overlay.js';
import { runOperations } from './sandbox.js';

/** So many directories are mounted as they are. */
const SHALLOW = 64;

/** The smallest mount has so many directories, the others twice, four times ... as many. */
const SMALLEST = 16;
const LARGEST = 256;

/** At least so many directories stay on top: then a stack that grows needs a new mount now and then only. */
const LEAST_ON_TOP = 8;

/** A stack in parts, topmost first. */
export interface SplitStack {
  readonly top: readonly string[];
  /** Each is worth a mount of its own. */
  readonly bottoms: readonly (readonly string[])[];
}

/**
 * Splits a stack. The mounts lie one on the other as the digits of a binary number, the large ones at
 * the bottom: there are few, and as the stack grows, a layer is mounted again only when it becomes part
 * of one that is twice as large.
 * @param lower directories, topmost first
 */
export function splitStack(lower: readonly string[]): SplitStack {
  if (lower.length <= SHALLOW) return { top: lower, bottoms: [] };
  const bottoms: (readonly string[])[] = [];
  let end = lower.length;
  for (let size = LARGEST; size >= SMALLEST; size /= 2) {
    while (end - size >= LEAST_ON_TOP) {
      bottoms.unshift(lower.slice(end - size, end));
      end -= size;
    }
  }
  return { top: lower.slice(0, end), bottoms };
}

/** So many lower directories an overlay has at most (OVL_MAX_STACK of the kernel). */
const MOST = 500;

/**
 * A stack that is too deep for one overlay, for a container that is the only one to use it: what its
 * overlay stands on is mounted first, in its own mount namespace.
 * @param makePlace gives an empty directory
 */
export function standOnMounts(
  overlay: Overlay,
  makePlace: () => string,
): { readonly overlay: Overlay; readonly below: readonly View[] } {
  if (overlay.lower.length <= MOST) return { overlay, below: [] };
  const { top, bottoms } = splitStack(overlay.lower);
  const below = bottoms.map((bottom) => {
    return { root: makePlace(), overlay: describeOverlay(bottom, undefined, false) };
  });
  return { overlay: onMounts(overlay, [...top, ...below.map(({ root }) => root)]), below };
}

/** The same overlay on other directories, some of which are mounts. */
function onMounts(overlay: Overlay, lower: readonly string[]): Overlay {
  // One device for all files of the tree: tar, du and find may be told to stay on one.
  return { ...overlay, lower, options: `${overlay.options},xino=on` };
}

/** The mounts of one build. */
export interface DeepStacks {
  /** The same overlay, with mounts in the place of its lowest directories if there are many. */
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
  const mountOnce = (bottom: readonly string[]): Promise<string | undefined> => {
    const key = bottom.join('\0');
    const known = mounts.get(key) ?? mountBottom(bottom);
    mounts.set(key, known);
    return known;
  };
  return {
    async shorten(overlay) {
      const { top, bottoms } = splitStack(overlay.lower);
      if (bottoms.length === 0) return overlay;
      const mounted = await Promise.all(
        bottoms.map(async (bottom) => {
          const path = await mountOnce(bottom);
          return path === undefined ? bottom : [path];
        }),
      );
      return onMounts(overlay, [...top, ...mounted.flat()]);
    },
  };
}
