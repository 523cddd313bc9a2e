/**
 * What a COPY or WORKDIR finds where it is going to write. These facts, and nothing else of the
 * layers below, decide the step's result; so they stand for the parents in its content key.
 */
import type { Json } from '../../util/canonical-json.js';
import type { Stack } from './stack.js';
import { locate, resolve } from './stack.js';

/** A directory that has to exist in the new layer because something below it will. */
export interface Ancestor {
  /** Path without symlinks, relative to the root of the image. */
  readonly path: string;
  /** Attributes of the directory that the layers below have; undefined: it is to be made. */
  readonly existing:
    | { readonly mode: number; readonly uid: number; readonly gid: number }
    | undefined;
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

/** The facts in the form that goes into a content key. */
export function destinationFacts(destination: Destination): Json {
  return {
    path: destination.path,
    kind: destination.kind,
    ancestors: destination.ancestors.map(({ existing }) => (existing ? { ...existing } : null)),
  };
}
