/** What comes of rebuilding an image: its layers beside those of the rebuilt one. Plain data. */
import type { StepId } from '../plan/step.js';
import type { Finding } from './layer-finding.js';

/** One layer of the two images, from the bottom. */
export interface ComparedLayer {
  /** Counts from 1. */
  readonly layer: number;
  /** The step that made it; undefined: it is of the base image. */
  readonly step: StepId | undefined;
  /** Text of its instruction. */
  readonly text: string | undefined;
  /**
   * `same`: of the same digest. `same files`: all but the times, or the form of the archive.
   * `missing`, `extra`: the rebuilt image has no such layer, or the image has none.
   */
  readonly outcome: 'same' | 'same files' | 'different' | 'missing' | 'extra';
  /** Of the image and of the rebuilt one: digests of the archives without compression. */
  readonly diffIds: readonly [string | undefined, string | undefined];
  /** A COPY that took other files from the build context than it did for the image. */
  readonly otherInputs: boolean;
  readonly findings: readonly Finding[];
  readonly differences: number;
}

/** The image and what was made from its provenance. */
export interface ImageReport {
  /** As it was asked for. */
  readonly image: string;
  /** Of its manifest. */
  readonly digest: string;
  readonly platform: string;
  readonly layers: readonly ComparedLayer[];
  /** Does the rebuilt image have the same environment, command, labels and so on? */
  readonly sameConfig: boolean;
  readonly reproducible: boolean;
}

/** @param layers all of them @param sameConfig see ImageReport */
export function isReproduced(layers: readonly ComparedLayer[], sameConfig: boolean): boolean {
  return (
    sameConfig && layers.every(({ outcome }) => outcome === 'same' || outcome === 'same files')
  );
}
