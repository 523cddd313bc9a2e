/**
 * Where COPY takes files from: a directory tree that is seen through one small interface, be it
 * the build context (with .dockerignore applied) or the merged layers of a step.
 */
import { readdirSync } from 'node:fs';

/** What a directory of a source shows. */
export interface Listing {
  /** In no particular order. */
  readonly names: readonly string[];
  /** The file of this machine that is behind a name. */
  readonly hostPath: (name: string) => string;
  /** The directory of this machine that has all the names, if there is one. */
  readonly directory?: string;
  /**
   * Says of a name that .dockerignore excludes it, but a later `!` pattern may bring back something
   * below it: it is part of the context only if it is a directory that holds such a file.
   */
  readonly onlyWithContent?: (name: string) => boolean;
}

/** A directory of this machine that shows what is in it. */
export function plainListing(directory: string): Listing {
  return { names: readdirSync(directory), hostPath: (name) => `${directory}/${name}`, directory };
}

/**
 * Where a path leads. Symbolic links that lead out of the build context are an error of the
 * Dockerfile; in an image there is no outside, `..` stops at its root.
 */
export type Followed =
  | { readonly kind: 'found'; readonly path: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'outside' };

/** A tree of files; paths are relative to its root, '' is the root, `/` separates. */
export interface FileSource {
  /** What the source is, for messages: "the build context", "stage build". */
  readonly title: string;
  /** Who owns the files in the image: root for the build context, their owner for a step. */
  readonly ownership: 'root' | 'keep';
  /**
   * Name under which fingerprints of its files are kept from build to build; undefined when it is
   * not worth it.
   */
  readonly fingerprintScope: string | undefined;
  /** The visible file behind a path whose parent directories are no symlinks. */
  locate(path: string): string | undefined;
  /** Follows every symlink of a path within the source. */
  follow(path: string): Followed;
  /** What a directory shows. */
  list(path: string): Listing;
}
