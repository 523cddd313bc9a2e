/**
 * What two machines and the cache between them know, and so which steps a build has to run: an oracle that shares no
 * code with src/. Where layers were made twice, or forgotten, it says which steps may run, too.
 */
import type { PredictedStep, Prediction } from './model.js';

/** Steps that somebody has, by their definitions. */
type Known = Map<string, PredictedStep>;

/** A store. */
export interface MachineModel {
  /** Entries that are there. */
  readonly sure: Known;
  /** Entries that were there once; some of them may still be. */
  readonly ever: Known;
  /** Something was removed: of a RUN nobody may know any more what it stood on. */
  forgot: boolean;
}

/** A shared cache. */
export interface CacheModel {
  /** Entries with layers that can be had. */
  readonly sure: Known;
  readonly ever: Known;
  /** The content of what each RUN stood on is known. */
  complete: boolean;
}

/** Everything. */
export interface Fleet {
  readonly machines: [MachineModel, MachineModel];
  readonly cache: CacheModel;
  /** How often steps ran that saw the same, on any machine: more than once, they made several layers. */
  readonly made: Map<string, number>;
}

/** What a build runs. */
export interface Expected {
  readonly must: readonly PredictedStep[];
  readonly may: readonly PredictedStep[];
  /** Found, by a key or by the content, also where nobody needs them. */
  readonly found: readonly PredictedStep[];
}

export const newMachine = (): MachineModel => ({ sure: new Map(), ever: new Map(), forgot: false });

export const newFleet = (): Fleet => ({
  machines: [newMachine(), newMachine()],
  cache: { sure: new Map(), ever: new Map(), complete: true },
  made: new Map(),
});

const inputsOf = (known: Known, isSure: (step: PredictedStep) => boolean) =>
  new Set([...known.values()].filter(isSure).map(({ inputs }) => inputs));

/** Predicts which steps run. */
export function expectRuns(fleet: Fleet, on: MachineModel, { steps }: Prediction): Expected {
  const { cache, made } = fleet;
  const byDefinition = new Map(steps.map((step) => [step.definition, step]));
  const isRun = ({ text }: PredictedStep) => text.startsWith('RUN');
  const surely = new Set([
    ...inputsOf(on.sure, (step) => !isRun(step) || !on.forgot),
    ...inputsOf(cache.sure, (step) => !isRun(step) || cache.complete),
  ]);
  const maybe = new Set([...inputsOf(on.ever, () => true), ...inputsOf(cache.ever, () => true)]);
  const isSure = ({ definition }: PredictedStep) =>
    on.sure.has(definition) || cache.sure.has(definition);
  const wasEver = ({ definition }: PredictedStep) =>
    on.ever.has(definition) || cache.ever.has(definition);
  const follows = (step: PredictedStep): PredictedStep[] =>
    step.parents.flatMap((parent) => {
      const found = byDefinition.get(parent);
      return found ? [found, ...follows(found)] : [];
    });
  /** An entry whose layers are the only ones that were ever made: it can't be stale. */
  const isHit = (step: PredictedStep) =>
    isSure(step) &&
    [step, ...follows(step)].every(
      (each) => (made.get(each.inputs) ?? 0) <= 1 && (!each.reads || isSure(each)),
    );
  const demand = new Map<PredictedStep, 'surely' | 'maybe'>();
  const ask = (step: PredictedStep, how: 'surely' | 'maybe'): void => {
    if (demand.get(step) === 'surely' || demand.get(step) === how) return;
    demand.set(step, how);
    if (isHit(step)) return;
    const next = isSure(step) || wasEver(step) ? 'maybe' : how;
    for (const parent of step.parents) {
      const found = byDefinition.get(parent);
      if (found) ask(found, next);
    }
  };
  const target = steps.at(-1);
  if (target) ask(target, 'surely');
  const must: PredictedStep[] = [];
  const may: PredictedStep[] = [];
  const found: PredictedStep[] = [];
  const seen = new Set<string>();
  // Equal prefixes of two stages are one step.
  for (const [step, how] of demand) {
    if (isHit(step) || surely.has(step.inputs)) found.push(step);
    else if (how === 'surely' && !maybe.has(step.inputs) && !seen.has(step.inputs)) must.push(step);
    else may.push(step);
    seen.add(step.inputs);
  }
  const unneeded = steps.filter((step) => !demand.has(step) && isHit(step));
  return { must, may, found: [...found, ...unneeded] };
}

/** Takes down what a build did. @param ran texts of the steps that ran */
export function noteBuild(
  { cache, made }: Fleet,
  on: MachineModel,
  { steps }: Prediction,
  { must, may, found }: Expected,
  ran: readonly string[],
): void {
  const left = [...ran];
  for (const { text } of must) left.splice(left.indexOf(text), 1);
  const others = may.filter(({ text }) => left.includes(text));
  for (const { inputs } of [...must, ...others]) made.set(inputs, (made.get(inputs) ?? 0) + 1);
  const certain = [...must, ...found, ...(others.length === left.length ? others : [])];
  for (const step of certain) on.sure.set(step.definition, step);
  const shared = steps.filter(({ definition }) => cache.ever.has(definition));
  for (const step of [...certain, ...others, ...shared]) on.ever.set(step.definition, step);
}

/** Takes down what a build wrote. @param merges what was there stays */
export function noteExport(
  { cache }: Fleet,
  on: MachineModel,
  { steps, ofResult }: Prediction,
  mode: 'min' | 'max',
  merges: boolean,
): void {
  if (!merges) for (const known of [cache.sure, cache.ever]) known.clear();
  const whole = new Set(mode === 'max' ? steps : steps.slice(-ofResult));
  for (const step of steps) {
    if (on.ever.has(step.definition)) cache.ever.set(step.definition, step);
    if (whole.has(step) && on.sure.has(step.definition)) cache.sure.set(step.definition, step);
  }
  cache.complete &&= !on.forgot;
}
