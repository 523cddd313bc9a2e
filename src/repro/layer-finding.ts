/** What is said of one path at which the two runs of a step made other files. Plain data, for `--json`. */
import type { Aspect } from '../fs/layer/compare-layers.js';
import type { FileKind } from '../fs/scan/file-stats.js';
import type { Diagnosis } from './diagnosis.js';

/** `name`: the runs gave one file two names. */
export type FindingAspect = Aspect | 'missing' | 'extra' | 'name';

/** One path. */
export interface Finding extends Diagnosis {
  /** Absolute path in the image. */
  readonly path: string;
  readonly kind: FileKind;
  /** In what they differ; `missing`: the second run has nothing there, `extra`: the first one has not. */
  readonly aspects: readonly FindingAspect[];
  /** Of the first byte that differs. */
  readonly offset?: number | undefined;
  /** What is there, after the first run and after the second, in a few words. */
  readonly first: string;
  readonly second: string;
}
