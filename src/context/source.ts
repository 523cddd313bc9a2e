/**
 * Where COPY takes files from: a directory tree that is seen through one small interface, be it
 * the build context (with .dockerignore applied) or the merged layers of a step.
 */

/** A name in a directory and the file of this machine that is behind it. */
export interface Listed {
  readonly name: string;
  readonly hostPath: string;
  /**
   * Set when .dockerignore excludes the entry, but a later `!` pattern may bring back something
   * below it: it is part of the context only if it is a directory that holds such a file.
   */
  readonly onlyWithContent?: boolean;
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
  /** Visible entries of a directory, in no particular order. */
  list(path: string): Listed[];
}
