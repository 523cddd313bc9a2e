/** Why a step is not in the cache: its inputs beside those of the nearest entry. */

import type { TreeReader } from '../fs/scan/tree.js';
import type { DefinitionKey, OperationDigest } from '../keys/digest.js';
import type { StepInputs } from '../keys/inputs.js';
import type { StepId } from '../plan/step.js';
import { findNearest, imageDigest } from '../store/entries/related.js';
import { findLayer } from '../store/layers/find-layers.js';
import type { LayerId, StepRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { Difference } from './compare.js';
import { compareInputs } from './compare.js';
import { describeDifference } from './describe-change.js';

/** The answer; `entry` is the key of the entry it was compared with. */
export type Explanation =
  | { readonly kind: 'no cache' }
  /** Nothing of that instruction, nor anything else at its place. */
  | { readonly kind: 'new' }
  /** The same inputs, but the layers below were made again and have other files. */
  | { readonly kind: 'layers'; readonly entry: DefinitionKey }
  | {
      readonly kind: 'different';
      readonly entry: DefinitionKey;
      /** The first difference, the telling ones first. */
      readonly difference: Difference;
      /** For a parent: its step, and what the image was and is when it is one. */
      readonly parent?: ChangedParent;
    };

/** The step below or beside that changed. */
export interface ChangedParent {
  readonly step: StepId;
  /** Digests of the manifest. */
  readonly image?: { readonly before: string | undefined; readonly after: string | undefined };
}

/** A step whose key was not found. */
export interface MissedStep {
  readonly key: DefinitionKey;
  readonly operation: OperationDigest;
  readonly inputs: StepInputs;
  /** The steps that `inputs.parents` are the keys of. */
  readonly parents: readonly StepId[];
  /** Their layers; undefined where they are not known. */
  readonly parentLayers: readonly (readonly LayerId[] | undefined)[];
  /** Files of a step that has not run yet are not known. */
  readonly filesUnknown?: boolean;
}

function changedParent(
  store: Store,
  missed: MissedStep,
  difference: Difference,
): ChangedParent | undefined {
  if (difference.kind !== 'parent') return undefined;
  const step = missed.parents[difference.index];
  if (step === undefined) return undefined;
  const after = imageDigest(store, difference.after);
  if (after === undefined) return { step };
  return { step, image: { before: imageDigest(store, difference.before), after } };
}

/** Compares digests that are already known: the look-up computed them for each step that ran again. */
function haveSameFiles(store: Store, a: readonly LayerId[], b: readonly LayerId[]): boolean {
  const digest = (id: LayerId | undefined) => (id ? findLayer(store, id)?.digest : undefined);
  const equal = (id: LayerId, other: LayerId | undefined) =>
    id === other || (digest(id) !== undefined && digest(id) === digest(other));
  return a.length === b.length && a.every((id, at) => equal(id, b[at]));
}

/**
 * Is it a step that has another key, but made the files that the entry was made on (early
 * cut-off)? Then it is not what made this one run.
 */
function isHarmless(
  store: Store,
  nearest: StepRecord,
  missed: MissedStep,
  difference: Difference,
): boolean {
  if (difference.kind !== 'parent') return false;
  const { base, readLayers, inputs } = nearest;
  // Scratch has layers, none, but no key.
  const before = [base, ...readLayers].slice(-inputs.parents.length)[difference.index];
  const after = missed.parentLayers[difference.index];
  return before !== undefined && after !== undefined && haveSameFiles(store, before, after);
}

/** The first difference that can have made the step run; else the first of all. */
function firstDifference(
  store: Store,
  nearest: StepRecord,
  missed: MissedStep,
  read: TreeReader,
): Difference | undefined {
  const files = missed.filesUnknown ? nearest.inputs.files : missed.inputs.files;
  let first: Difference | undefined;
  for (const difference of compareInputs(nearest.inputs, { ...missed.inputs, files }, read)) {
    if (!isHarmless(store, nearest, missed, difference)) return difference;
    first ??= difference;
  }
  return first;
}

/** Compares a missed step with the nearest entry. A few look-ups, whatever the index holds. */
export function explainMiss(store: Store, missed: MissedStep, read: TreeReader): Explanation {
  const nearest = findNearest(store, missed.operation, missed.inputs);
  if (!nearest) return { kind: 'new' };
  const difference = firstDifference(store, nearest, missed, read);
  if (!difference) return { kind: 'layers', entry: nearest.key };
  const parent = changedParent(store, missed, difference);
  const explanation = { kind: 'different', entry: nearest.key, difference } as const;
  return parent ? { ...explanation, parent } : explanation;
}

/**
 * The answer in one line.
 * @param name of a step, for people
 */
export function describeExplanation(
  explanation: Explanation,
  name: (step: StepId) => string,
): string {
  switch (explanation.kind) {
    case 'no cache':
      return 'the cache was not asked';
    case 'new':
      return 'nothing like it is in the cache';
    case 'layers':
      return 'the layers below have other files than before';
    case 'different': {
      const { difference, parent } = explanation;
      if (parent?.image) {
        const { before = 'another one', after } = parent.image;
        return `the base image changed from ${before} to ${after}`;
      }
      return describeDifference(difference, () => (parent ? name(parent.step) : 'a step below'));
    }
  }
}
