/** RUN steps that may have a network in a hermetic build: allow-network of a lock file. Pure. */
import type { PlacedRun } from '../plan/plan.js';

/** The words of an instruction as one line: continued lines, tabs and the like are one blank. */
export function oneLine(text: string): string {
  return text
    .replace(/\\\r?\n/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** `stage/step`: the step is the place in its stage, or the beginning of its instruction. */
function selects(name: string, { stage, place, text }: PlacedRun): boolean {
  const slash = name.indexOf('/');
  if (slash === -1 || name.slice(0, slash).toLowerCase() !== stage.toLowerCase()) return false;
  const step = oneLine(name.slice(slash + 1));
  if (step === '') return false;
  return step === String(place) || oneLine(text).toLowerCase().startsWith(step.toLowerCase());
}

/** Which steps of a hermetic build have a network, and which names meant none. */
export interface NetworkPolicy {
  readonly mayConnect: (run: PlacedRun) => boolean;
  /** Names that no step was asked about with; call it when the plan is made. */
  readonly unused: () => string[];
}

/** @param names of allow-network */
export function networkPolicy(names: readonly string[]): NetworkPolicy {
  const used = new Set<string>();
  return {
    mayConnect: (run) => {
      const meant = names.filter((name) => selects(name, run));
      for (const name of meant) used.add(name);
      return meant.length > 0;
    },
    unused: () => names.filter((name) => !used.has(name)),
  };
}
