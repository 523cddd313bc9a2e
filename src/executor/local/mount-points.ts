/**
 * Mount points that an image lacks. They are made in lower directories of the step's own overlay, or
 * in what is mounted around them, so that none of them can end up in a layer.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Stack } from '../../fs/layer/stack.js';
import { getLink, isOpen, locate, resolveBy } from '../../fs/layer/stack.js';
import { fsText } from '../../util/byte-string.js';
import type { MountPlace } from './container.js';

/** Kind of a mount point: a file can only be mounted on a file, a directory on a directory. */
export type PointKind = 'file' | 'directory';

/**
 * Mounts of every container that others may lie in. Neither /proc nor /sys can have new mount points,
 * but both have some.
 */
const SYSTEM_MOUNTS = ['/proc', '/dev', '/sys'];

/** A place that something is to be mounted at. */
export interface PointRequest {
  /** Absolute path as it was asked for. */
  readonly path: string;
  readonly kind: PointKind;
  /**
   * A directory of this machine whose content shows below this mount, should other mounts lie in it;
   * undefined: their mount points are made inside this mount.
   */
  readonly stubs?: string | undefined;
}

/** What is to be made below all layers, by its path: so it changes no directory of the image. */
export type Stubs = Map<string, PointKind>;

/** Where mount points can be beside the image's layers. */
export interface PointPlaces {
  readonly bottom: Stubs;
  /** A directory above all layers, for what an opaque one would hide; made when it is needed first. */
  readonly top: string;
}

function addStub(bottom: Stubs, path: string, kind: PointKind): void {
  const names = path.split('/');
  for (let length = 1; length < names.length; length++)
    bottom.set(names.slice(0, length).join('/'), 'directory');
  bottom.set(path, kind);
}

/** Makes a mount point below a directory, unless it is there. @param path fromBytes: links of an image lead anywhere */
export function makePoint(directory: string, path: string, kind: PointKind): void {
  const target = join(directory, path);
  mkdirSync(fsText(kind === 'directory' ? target : dirname(target)), { recursive: true });
  if (kind === 'file' && !existsSync(fsText(target))) writeFileSync(fsText(target), '');
}

/**
 * Makes a mount point above the layers. The directories on the way cover those of the image, and look
 * as they do.
 * @returns false when the image has something on the way that is no directory
 */
function makeCoveringPoint(top: string, stack: Stack, path: string, kind: PointKind): boolean {
  const names = path.split('/').slice(0, -1);
  const above = names.map((_, index) => names.slice(0, index + 1).join('/'));
  const found = above.map((directory) => locate(stack, directory)?.stats);
  if (found.some((stats) => stats && !stats.isDirectory())) return false;
  makePoint(top, path, kind);
  // From the inside out: whatever is made in a directory changes its time.
  for (const [index, directory] of [...above.entries()].reverse()) {
    const stats = found[index];
    if (!stats) continue;
    const target = fsText(join(top, directory));
    chownSync(target, stats.uid, stats.gid);
    chmodSync(target, stats.mode & 0o7777);
    utimesSync(target, stats.atime, stats.mtime);
  }
  return true;
}

/** The part of a path below a directory; undefined when it lies elsewhere. */
function partBelow(path: string, directory: string): string | undefined {
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : undefined;
}

/** What is at a path of the container, before anything is mounted. */
interface Found {
  readonly isDirectory: boolean;
  /** Target of a symbolic link. */
  readonly link: string | undefined;
}

interface Placed extends PointRequest {
  readonly target: string;
}

/** The mount that a path lies in, and the part of the path below it. */
function enclosing(
  placed: readonly Placed[],
  path: string,
  getPath: (one: Placed) => string,
): { around: Placed; rest: string } | undefined {
  // Those that came last are the deepest.
  for (const around of [...placed].reverse()) {
    const rest = around.kind === 'directory' ? partBelow(path, getPath(around)) : undefined;
    if (rest !== undefined) return { around, rest };
  }
  return undefined;
}

const getDepth = (path: string) => path.split('/').length;

/**
 * Finds or makes the mount points of a container.
 * @param stack the container's layers, topmost first; what it writes to before them, if it holds
 *   anything
 * @param covered how many of them lie above `places.top`
 * @param own are /dev, /proc and /sys the container's, not this machine's?
 * @returns a place for each request, undefined where the image has something else
 */
export function placeMounts(
  stack: Stack,
  covered: number,
  places: PointPlaces,
  requests: readonly PointRequest[],
  own = true,
): (MountPlace | undefined)[] {
  const { bottom, top } = places;
  let stubbed = stack;
  const find = (path: string): Found | undefined => {
    const entry = locate(stubbed, path);
    if (entry) return { isDirectory: entry.stats.isDirectory(), link: getLink(entry) };
    const kind = isOpen(stubbed, path) ? bottom.get(path) : undefined;
    return kind && { isDirectory: kind === 'directory', link: undefined };
  };
  const cover = (path: string, kind: PointKind): boolean => {
    if (!makeCoveringPoint(top, stack, path, kind)) return false;
    const points = { path: top, opaque: new Set<string>() };
    stubbed = [...stack.slice(0, covered), points, ...stack.slice(covered)];
    return true;
  };
  const fits = (path: string, kind: PointKind) => {
    const found = find(path);
    return found && found.isDirectory === (kind === 'directory');
  };
  const placeInImage = (path: string, kind: PointKind): string | undefined => {
    const resolved = resolveBy(find, ({ link }) => link, path);
    if (!resolved) return undefined;
    const { path: found, entry } = resolved;
    if (!entry) {
      addStub(bottom, found, kind);
      if (!find(found) && !cover(found, kind)) return undefined;
    }
    return fits(found, kind) ? `/${found}` : undefined;
  };

  const placed: Placed[] = own
    ? SYSTEM_MOUNTS.map((path) => ({ path, kind: 'directory', target: path }))
    : [];
  const placeIn = ({ around, rest }: { around: Placed; rest: string }, kind: PointKind) => {
    if (around.stubs !== undefined) makePoint(around.stubs, rest, kind);
    return {
      target: `${around.target}/${rest}`,
      within: { base: around.target, path: rest, kind },
    };
  };
  const place = (request: PointRequest): MountPlace | undefined => {
    const { path, kind } = request;
    const asked = enclosing(placed, path, (one) => one.path);
    if (asked) return placeIn(asked, kind);
    const target = placeInImage(path, kind);
    if (target === undefined) return undefined;
    // A symbolic link of the image can lead into another mount as well.
    const reached = enclosing(placed, target, (one) => one.target);
    return reached ? placeIn(reached, kind) : { target };
  };
  const all: (MountPlace | undefined)[] = requests.map(() => undefined);
  // Outer mounts come before the mounts inside them, in whatever order they were requested.
  const order = [...requests.entries()].sort(([, a], [, b]) => getDepth(a.path) - getDepth(b.path));
  for (const [index, request] of order) {
    const found = place(request);
    all[index] = found;
    if (found) placed.push({ ...request, target: found.target });
  }
  return all;
}

/** Is there anything in the directory above the layers? */
export function hasCoveringPoints({ top }: PointPlaces): boolean {
  return lstatSync(top, { throwIfNoEntry: false }) !== undefined;
}
