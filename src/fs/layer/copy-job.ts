/** Types of a COPY: the request, the state while its layer is made, and the report. */

import type { TreeDigest } from '../../keys/digest.js';
import type { SelectionInput } from '../../keys/inputs.js';
import type { SourceLocation } from '../../util/errors.js';
import type { Scanned, ScannedDirectory } from '../scan/listing.js';
import type { TreeEntry, TreeReader } from '../scan/tree.js';
import type { Selection } from '../select/select.js';
import type { Walker, Walkers } from '../walker.js';
import type { Composition, TreeNodes } from './compose-tree.js';
import type { Destination } from './destination.js';
import type { DiskMeter, TreeMeasures } from './disk-usage.js';
import type { Subtree } from './place-subtrees.js';
import type { Owner } from './users.js';

/** What the new layer is made from. */
export interface CopyRequest {
  readonly selections: readonly Selection[];
  /** Other processes may change the sources while they are copied. */
  readonly changes: boolean;
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
  /** Sources whose files may get another name in the layer. */
  readonly linkable: LinkableSources;
  /** Told how many bytes were copied, in pieces of an MB, or a file. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** The instruction, for errors. */
  readonly location: SourceLocation;
}

/**
 * Layers of the same store, by their trusted paths; the values are their groups: all layers that share
 * files are in one group.
 */
export type LinkableSources = ReadonlyMap<string, string>;

export const NOTHING_TO_LINK: LinkableSources = new Map();

/** A layer to link from, and what it was made from. */
export interface FormerLayer {
  readonly path: string;
  /** That of its layer, as in LinkableSources. */
  readonly group: string;
  readonly selections: readonly SelectionInput[];
}

/** What was done, for the index. */
export interface CopyReport extends TreeMeasures {
  readonly linked: number;
  /** The part of `disk` that is in linked files, in whole blocks of their size. */
  readonly linkedDisk: number;
  /** Of the layers that they are linked from; undefined where there are none. */
  readonly group: string | undefined;
  /**
   * The few files and trees that have no link into the former layer, relative to this one; all else that is a file has.
   * Undefined where they are many.
   */
  readonly fresh: readonly string[] | undefined;
  /** Directories that stand for no directory of a source, relative to the layer. */
  readonly made: readonly string[];
  /** The selections as they were copied: some files may have changed since they were digested. */
  readonly selections: readonly Selection[];
  /** What the layer holds now; undefined where it has to be looked at to know. */
  readonly composed: Composition | undefined;
}

/** A file that is to be copied. */
export interface FileCopy {
  readonly file: Scanned;
  /** What was digested: what the key says of it. */
  readonly entry: TreeEntry;
  /** Place of its selection in the request. */
  readonly selection: number;
  /** Path in the tree of its selection. */
  readonly within: string;
  /** Path in the layer of another name of the same file; it comes first. */
  readonly sameAs: string | undefined;
  /** No other name of it is copied. */
  readonly alone: boolean;
}

/**
 * Files of a directory that are copied with all others of it: for each of them objects are made when its
 * turn has come, and not kept.
 */
export interface DirectoryCopy {
  /** Path in the layer. */
  readonly path: string;
  readonly directory: ScannedDirectory;
  /** What was digested. */
  readonly digest: TreeDigest;
  readonly selection: number;
  /** Path in the tree of its selection. */
  readonly within: string;
}

/** A layer that is being made. */
export interface Job {
  /** Trusted path of its directory. */
  readonly layer: string;
  /** Directories of the layer, for placing files. */
  readonly target: Walker;
  /** Directories of the sources and of the former layer. */
  readonly sources: Walkers;
  readonly request: CopyRequest;
  readonly read: TreeReader;
  readonly text: TreeNodes['text'];
  /** Files to be copied by their path in the layer: of two with one path the later one wins. */
  readonly copies: Map<string, FileCopy>;
  /** Directories whose regular files are copied, and are not in `copies`. */
  readonly filled: DirectoryCopy[];
  /** Files that were linked, by path. */
  readonly links: Map<string, Scanned>;
  /** Directories of other layers that were placed as a whole. */
  readonly subtrees: Subtree[];
  readonly directories: Set<string>;
  readonly made: Set<string>;
  /** Extended attributes of directories: a default ACL would become that of every file made in there. */
  readonly directoryXattrs: Map<string, TreeEntry['xattrs']>;
  /** Attributes of directories come last: copying into them changes their times. */
  readonly finish: (() => void)[];
  readonly meter: DiskMeter;
  /** All that was copied, hard links included: apparent size in bytes. */
  readonly copied: { files: number; bytes: number };
  /** Those of `copied` that are other names of their sources. */
  readonly linked: { files: number; disk: number };
  /** The group that files are linked from; set by the first that can be. */
  group: string | undefined;
  /** For each selection: what was copied and is not what had been digested. */
  readonly differences: readonly Map<string, TreeEntry | undefined>[];
  /** For each selection: names of one file that were two files when they were copied. */
  readonly apart: readonly Set<string>[];
}
