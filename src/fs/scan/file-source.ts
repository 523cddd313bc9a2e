/**
 * Where COPY takes files from: a directory tree that is seen through one small interface, be it
 * the build context (with .dockerignore applied) or the merged layers of a step.
 */
import type { Stats } from 'node:fs';
import type { TreeDigest } from '../../keys/digest.js';
import type { OpenCounter } from '../../util/byte-counter.js';
import type { TreeEntry } from './tree.js';

/**
 * Where a file is. It is opened from `root` one component at a time (fs/walker.ts), so that no
 * symbolic link on the way is ever followed.
 */
export interface Place {
  /** Trusted path of a directory of this machine. */
  readonly root: string;
  /** Relative to it. */
  readonly path: string;
}

/** What a directory of a source shows. */
export interface Listing {
  /** In no particular order. */
  readonly names: readonly string[];
  /** The root that a name's file is below, at the path that was listed. */
  readonly rootOf: (name: string) => string;
  /**
   * Says of a name that .dockerignore excludes it, but a later `!` pattern may bring back something
   * below it: it is part of the context only if it is a directory that holds such a file.
   */
  readonly onlyWithContent?: (name: string) => boolean;
}

/**
 * Where a path leads. Symbolic links that lead out of the build context are an error of the
 * Dockerfile; in an image there is no outside, `..` stops at its root.
 */
export type Followed =
  | { readonly kind: 'found'; readonly path: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'outside' };

/** A file of a source. */
export interface Located {
  /** The root that it is below, at the path that was asked for. */
  readonly root: string;
  readonly stats: Stats;
  /** As in a Listing: it counts only if it is a directory that holds something. */
  readonly onlyWithContent?: boolean;
}

/** A tree of files; paths are relative to its root, '' is the root, `/` separates. */
export interface FileSource {
  /** What the source is, for messages: "the build context", "stage build". */
  readonly title: string;
  /** Who owns the files in the image: root for the build context, their owner for a step. */
  readonly ownership: 'root' | 'keep';
  /** Other processes may change the files at any moment; those of layers never change. */
  readonly changes: boolean;
  /**
   * Name under which fingerprints of its files are kept from build to build; undefined when it is
   * not worth it.
   */
  readonly fingerprintScope: string | undefined;
  /** The visible file at a path whose parent directories are no symlinks. */
  locate(path: string): Located | undefined;
  /** Follows every symlink of a path within the source. */
  follow(path: string): Followed;
  /** What a directory shows. @throws ENOENT and ENOTDIR when it is gone */
  list(path: string): Listing;
  /** No file has extended attributes: none is asked for them. */
  readonly withoutXattrs?: boolean;
  /**
   * Trusted path of the root that has all that a directory shows, and what is below it: no name is left out, but
   * for those of `withoutWhiteouts`. Undefined where it is not one root, or not all of it.
   */
  readonly plainRoot?: ((path: string) => string | undefined) | undefined;
  /** Whiteouts of overlayfs are not shown. */
  readonly withoutWhiteouts?: boolean;
  /** What was digested of a file that never changes; it need not be read again then. */
  readonly known?: (place: Place) => TreeEntry | undefined;
  /** The layer that alone shows a directory, and all that is below it. */
  readonly wholeOf?: ((path: string) => WholeDirectory | undefined) | undefined;
  /** Told what is read of its files to digest them. */
  readonly counter?: OpenCounter;
  /** Closes all descriptors. */
  close(): void;
}

/** A directory that is as one layer has it. */
export interface WholeDirectory {
  /** Trusted path of the layer. */
  readonly root: string;
  /** What was digested of the directory there, whiteouts included. */
  readonly tree: TreeDigest;
}

/** Closes a source when it has been used. */
export async function withSource<T>(
  source: FileSource,
  use: (source: FileSource) => Promise<T>,
): Promise<T> {
  try {
    return await use(source);
  } finally {
    source.close();
  }
}
