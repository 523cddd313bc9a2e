/**
 * What a COPY or WORKDIR finds where it is going to write. These facts, and nothing else of the
 * layers below, decide the step's result; so they stand for the parents in its content key.
 */
import type { Json } from '../../util/canonical-json.js';
import type { Xattrs } from '../scan/tree.js';
import { readXattrs } from '../scan/xattrs.js';
import type { Stack } from './stack.js';
import { locate, resolve } from './stack.js';

/** A directory that has to exist in the new layer because something below it will. */
export interface Ancestor {
  /** Path without symlinks, relative to the root of the image. */
  readonly path: string;
  /** Attributes of the directory that the layers below have; undefined: it is to be made. */
  readonly existing: ExistingDirectory | undefined;
}

/** Attributes of a directory of the layers below. */
interface ExistingDirectory {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Such as default ACLs; not there when it has none. overlayfs shows those of the topmost layer alone. */
  readonly xattrs?: Xattrs;
}

/** The place a step writes to. */
export interface Destination {
  /** Path without symlinks, relative to the root of the image; '' is the root. */
  readonly path: string;
  /** Kind of the existing entry. */
  readonly kind: 'missing' | 'directory' | 'other';
  /** The directories above `path`, outermost first; includes `path` itself if it is a directory. */
  readonly ancestors: readonly Ancestor[];
  /** What stands in the way of a directory: a path that is there and is none. */
  readonly obstacle: string | undefined;
  /**
   * Directories below it that are there, have extended attributes, and are among what is copied: they keep these
   * where the source has no others. Not there when there are none.
   */
  readonly shared?: readonly { readonly path: string; readonly xattrs: Xattrs }[];
  /** Directories below it that are there, and that COPY --parents goes through: they keep their owner. As `shared`. */
  readonly ways?: readonly { readonly path: string; readonly uid: number; readonly gid: number }[];
}

/**
 * Looks at a destination.
 * @param followLinks false for COPY --link, which must not depend on the layers below
 * @returns undefined when symlinks go round in circles
 */
export function inspectDestination(
  stack: Stack,
  path: string,
  followLinks: boolean,
): Destination | undefined {
  const below = followLinks ? stack : [];
  const resolved = resolve(below, path);
  if (resolved === undefined) return undefined;
  const components = resolved.path === '' ? [] : resolved.path.split('/');
  const isDirectory = resolved.entry?.stats.isDirectory() ?? false;
  if (!isDirectory) components.pop();
  let obstacle: string | undefined;
  const ancestors = components.map((_, index): Ancestor => {
    const ancestor = components.slice(0, index + 1).join('/');
    const stats = locate(below, ancestor)?.stats;
    if (stats && !stats.isDirectory()) obstacle ??= ancestor;
    if (!stats?.isDirectory()) return { path: ancestor, existing: undefined };
    const { mode, uid, gid } = stats;
    return { path: ancestor, existing: { mode: mode & 0o7777, uid, gid } };
  });
  const kind = resolved.entry === undefined ? 'missing' : isDirectory ? 'directory' : 'other';
  return { path: resolved.path, kind, ancestors, obstacle };
}

/** Extended attributes of directories of the layers, by their paths; only of those that have any. */
export async function readDirectoryXattrs(
  stack: Stack,
  paths: readonly string[],
): Promise<ReadonlyMap<string, Xattrs>> {
  const bare = new Set(stack.filter((layer) => layer.withoutXattrs).map((layer) => layer.path));
  const places = new Map<string, { readonly root: string; readonly path: string }>();
  if (bare.size === stack.length) return new Map();
  for (const path of paths) {
    const found = locate(stack, path);
    if (found?.stats.isDirectory() && !bare.has(found.root))
      places.set(path, { root: found.root, path: found.path });
  }
  if (places.size === 0) return new Map();
  const read = await readXattrs([...places.values()].map((place) => ({ place })));
  return new Map(
    [...places].flatMap(([path, place]) => {
      const xattrs = read.get(place);
      return xattrs ? [[path, xattrs]] : [];
    }),
  );
}

/** The same, with the extended attributes of the directories that are there. */
export async function withXattrs(stack: Stack, destination: Destination): Promise<Destination> {
  const existing = destination.ancestors.filter((ancestor) => ancestor.existing);
  const read = await readDirectoryXattrs(
    stack,
    existing.map(({ path }) => path),
  );
  if (read.size === 0) return destination;
  const ancestors = destination.ancestors.map((ancestor): Ancestor => {
    const xattrs = read.get(ancestor.path);
    if (!ancestor.existing || !xattrs) return ancestor;
    return { ...ancestor, existing: { ...ancestor.existing, xattrs } };
  });
  return { ...destination, ancestors };
}

/** The same, with the extended attributes of directories below it. @param paths those that the sources have as well */
export async function withShared(
  stack: Stack,
  destination: Destination,
  paths: readonly string[],
): Promise<Destination> {
  const read = await readDirectoryXattrs(stack, [...new Set(paths)].sort());
  if (read.size === 0) return destination;
  return { ...destination, shared: [...read].map(([path, xattrs]) => ({ path, xattrs })) };
}

/** The same, with the owners of directories that are there. @param paths those that COPY --parents goes through */
export function withWays(
  stack: Stack,
  destination: Destination,
  paths: readonly string[],
): Destination {
  const ways = [...new Set(paths)].sort().flatMap((path) => {
    const stats = locate(stack, path)?.stats;
    return stats?.isDirectory() ? [{ path, uid: stats.uid, gid: stats.gid }] : [];
  });
  return ways.length === 0 ? destination : { ...destination, ways };
}

/** One name for each attribute. @param over counts before the others */
export function mergeXattrs(xattrs: Xattrs | undefined, over: Xattrs): Xattrs {
  const names = new Set(over.map(([name]) => name));
  const kept = (xattrs ?? []).filter(([name]) => !names.has(name));
  return [...kept, ...over].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What the directories on the way need besides owner and mode, by their path in the layer. */
export function ancestorXattrs({ ancestors }: Destination): Map<string, Xattrs> {
  const found = new Map<string, Xattrs>();
  for (const { path, existing } of ancestors)
    if (existing?.xattrs) found.set(path, existing.xattrs);
  return found;
}

/** The facts in the form that goes into a content key. */
export function destinationFacts(destination: Destination): Json {
  return {
    path: destination.path,
    kind: destination.kind,
    ancestors: destination.ancestors.map(({ existing }) => (existing ? { ...existing } : null)),
    ...(destination.ways ? { ways: destination.ways.map((each) => ({ ...each })) } : {}),
    ...(destination.shared ? { shared: destination.shared.map((each) => ({ ...each })) } : {}),
  };
}
