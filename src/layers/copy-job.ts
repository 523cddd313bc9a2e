/** What a COPY asks for, what is noted while its layer is being made, and what is said of it. */
import type { Scanned } from '../context/listing.js';
import type { Selection } from '../context/select.js';
import type { TreeReader } from '../context/tree.js';
import type { SourceLocation } from '../errors.js';
import type { SelectionInput } from '../keys/inputs.js';
import type { Destination } from './destination.js';
import type { diskMeter, TreeMeasures } from './disk-usage.js';
import type { Subtree } from './link-subtrees.js';
import type { Owner } from './users.js';

/** What the new layer is made from. */
export interface CopyRequest {
  readonly selections: readonly Selection[];
  readonly destination: Destination;
  /** The destination as written ends in a slash, or there are several sources. */
  readonly intoDirectory: boolean;
  /** Everything gets this owner; undefined keeps what `ownership` says. */
  readonly owner: Owner | undefined;
  readonly ownership: 'root' | 'keep';
  /** New mode from the old one; undefined keeps it. */
  readonly chmod: ((mode: number, isDirectory: boolean) => number) | undefined;
  /** A layer that the same instruction made before, to link unchanged files from. */
  readonly former: FormerLayer | undefined;
  /** The instruction, for errors. */
  readonly location: SourceLocation;
}

/** A layer to link from, and what it was made from. */
export interface FormerLayer {
  readonly path: string;
  readonly selections: readonly SelectionInput[];
}

/** What was done, for the index. */
export interface CopyReport extends TreeMeasures {
  readonly linked: number;
  /** The part of `disk` that is in linked files, in whole blocks of their size. */
  readonly linkedDisk: number;
  /** Directories that stand for no directory of a source, relative to the layer. */
  readonly made: readonly string[];
}

/** A layer that is being made. */
export interface Job {
  readonly layer: string;
  readonly request: CopyRequest;
  readonly read: TreeReader;
  /** Files to be copied by their path in the layer: of two with one path the later one wins. */
  readonly copies: Map<string, Scanned>;
  /** Files that were linked, by path. */
  readonly links: Map<string, Scanned>;
  /** Directories of the former layer that are linked as they are. */
  readonly subtrees: Subtree[];
  readonly directories: Set<string>;
  readonly made: Set<string>;
  /** Attributes of directories come last: copying into them changes their times. */
  readonly finish: (() => void)[];
  readonly meter: ReturnType<typeof diskMeter>;
}
