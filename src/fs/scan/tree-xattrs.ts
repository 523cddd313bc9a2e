/** Extended attributes of whole trees, as layers are. */
import { basename } from 'node:path';
import type { OnFile, RawXattrs, TreeTotals, WalkOptions } from '../../native/read-xattrs.js';
import { readSurvey, readXattrsBelow } from '../../native/read-xattrs.js';
import { fromBytes } from '../../util/byte-string.js';
import { overlayMarks } from '../../util/user-namespace.js';
import { checkDepth } from '../walker.js';
import type { Xattrs } from './tree.js';
import { keptXattrs } from './xattrs.js';

/**
 * Reads the extended attributes of a directory and everything below it.
 * @param root trusted path
 * @returns by absolute path; paths and names are bytes (`latin1`)
 * @throws the file system's errors, IsolationError
 */
export async function readTreeXattrs(root: string): Promise<Map<string, Xattrs>> {
  const found = new Map<string, Xattrs>();
  const top = Buffer.from(root).toString('latin1');
  await readXattrsBelow(root, (path, xattrs) => {
    const kept = keptXattrs(xattrs, 'bytes');
    if (kept.length === 0) return;
    found.set(path.length === 0 ? top : `${top}/${path.toString('latin1')}`, kept);
  });
  return found;
}

/** In the other one a program may set it, and then it means nothing. */
function opaqueName(): string {
  return `${overlayMarks()}.overlay.opaque`;
}

/** What the extended attributes of a layer in overlayfs form say. */
export interface LayerMarks {
  /**
   * Directories whose trusted.overlay.opaque is `y`, in a user namespace user.overlay.opaque (overlayfs
   * documentation, "whiteouts and opaque directories"), relative to the layer, sorted.
   */
  readonly opaque: readonly string[];
  /** No file has attributes of its own. */
  readonly withoutXattrs: boolean;
}

/** 'x' marks a directory that holds xattr whiteouts; only 'y' hides the layers below. */
function isOpaque(xattrs: RawXattrs): boolean {
  const wanted = opaqueName();
  return xattrs.some(([name, value]) => String(name) === wanted && String(value) === 'y');
}

/** What a layer amounts to, and what its files' attributes say. */
export interface LayerSurvey extends LayerMarks {
  readonly totals: TreeTotals;
  /** Names that begin with the prefix. */
  readonly named: readonly string[];
}

/** Puts together what a walk tells. @throws UnsupportedError when the layer is too deep */
function collectSurvey(prefix: string | undefined): {
  readonly onFile: OnFile;
  readonly conclude: (totals: TreeTotals) => LayerSurvey;
} {
  const opaque: string[] = [];
  const named: string[] = [];
  let withoutXattrs = true;
  const onFile: OnFile = (path, xattrs) => {
    if (isOpaque(xattrs)) opaque.push(fromBytes(path));
    withoutXattrs &&= keptXattrs(xattrs, 'text').length === 0;
    const name = basename(path.toString());
    if (prefix !== undefined && name.startsWith(prefix)) named.push(name);
  };
  return {
    onFile,
    conclude: (totals) => {
      checkDepth(totals.depth, () => 'a layer');
      return { opaque: opaque.sort(), withoutXattrs, named, totals };
    },
  };
}

/**
 * Reads all of it in one walk.
 * @param layer trusted path
 * @throws the file system's errors, IsolationError; UnsupportedError when it is too deep
 */
export async function surveyLayer(layer: string, options: WalkOptions): Promise<LayerSurvey> {
  const { onFile, conclude } = collectSurvey(options.prefix);
  return conclude(await readXattrsBelow(layer, onFile, options));
}

/** The same of what was read when the layer's container had ended. @throws UnsupportedError */
export function surveyTold(survey: Buffer, prefix: string): LayerSurvey {
  const { onFile, conclude } = collectSurvey(prefix);
  return conclude(readSurvey(survey, onFile));
}

/**
 * The marks alone: to ask every file is what takes the time.
 * @param layer trusted path
 * @throws the file system's errors, IsolationError
 */
export async function readLayerMarks(layer: string): Promise<LayerMarks> {
  const { opaque, withoutXattrs } = await surveyLayer(layer, {});
  return { opaque, withoutXattrs };
}
