/** Collects steps; the same step on the same parents is one node. */
import type { Json } from '../util/canonical-json.js';
import { canonicalJson } from '../util/canonical-json.js';
import type { Step, StepId } from './step.js';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A step before it has its id. */
export type NewStep = WithoutId<Step>;

/** A graph under construction. */
export interface GraphBuilder {
  /** Adds a step, or finds the one that does the same on the same parents. */
  add(step: NewStep): StepId;
  /** Every step after all that it depends on. */
  steps(): Step[];
}

/** Makes an empty graph. */
export function graphBuilder(): GraphBuilder {
  const steps: Step[] = [];
  const known = new Map<string, StepId>();
  return {
    add(step) {
      const { text: _text, stage: _stage, location: _location, ...meaning } = step;
      // Meta steps do the same (nothing) whatever they say, but people want to see each of them.
      const identity = canonicalJson(
        (step.kind === 'meta' ? { ...meaning, text: step.text } : meaning) as unknown as Json,
      );
      const existing = known.get(identity);
      if (existing !== undefined) return existing;
      const id = `s${steps.length + 1}` as StepId;
      known.set(identity, id);
      steps.push({ ...step, id } as Step);
      return id;
    },
    steps: () => steps,
  };
}
