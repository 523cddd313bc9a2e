/** Which steps decided how long a build took, and what would have made it faster. Pure. */
import type { CriticalPath, PathPart } from './report-data.js';

/** A step in time. Times in ms. */
export interface TimedStep {
  readonly id: string;
  /** Steps that it needs; all come before it in the list. */
  readonly needs: readonly string[];
  /** Undefined when it did not run: it takes no time then. */
  readonly ran: { readonly start: number; readonly end: number } | undefined;
}

/** The path, and by how much each step that ran could take longer without the build doing so. */
export interface Timing extends CriticalPath {
  readonly slack: ReadonlyMap<string, number>;
}

const lengthOf = ({ ran }: TimedStep) => (ran ? ran.end - ran.start : 0);

/** For each step that is in no list: the longest chain that ends with it, in ms. */
function chains(steps: readonly TimedStep[], free?: string): ReadonlyMap<string, number> {
  const ends = new Map<string, number>();
  for (const step of steps) {
    const before = Math.max(0, ...step.needs.map((id) => ends.get(id) ?? 0));
    ends.set(step.id, before + (step.id === free ? 0 : lengthOf(step)));
  }
  return ends;
}

const longest = (ends: ReadonlyMap<string, number>) =>
  [...ends.values()].reduce((most, end) => Math.max(most, end), 0);

/** The steps that ran and that a step waited for, through those that took no time. */
function waitedFor(
  step: TimedStep,
  byId: ReadonlyMap<string, TimedStep>,
): (TimedStep & { readonly ran: { readonly start: number; readonly end: number } })[] {
  const found = new Map<string, TimedStep>();
  const seen = new Set<string>();
  const left = [...step.needs];
  for (let id = left.pop(); id !== undefined; id = left.pop()) {
    const other = byId.get(id);
    if (!other || seen.has(id)) continue;
    seen.add(id);
    if (other.ran) found.set(id, other);
    else left.push(...other.needs);
  }
  return [...found.values()].flatMap(({ ran, ...rest }) => (ran ? [{ ...rest, ran }] : []));
}

/** Back from the step that ended last: what it waited for last, and so on. */
function walkBack(steps: readonly TimedStep[]): Omit<PathPart, 'saves'>[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const latest = <T extends TimedStep>(of: readonly T[]) =>
    of.reduce<T | undefined>(
      (last, step) => ((step.ran?.end ?? -1) > (last?.ran?.end ?? -1) ? step : last),
      undefined,
    );
  const parts: Omit<PathPart, 'saves'>[] = [];
  let at = latest(steps);
  while (at?.ran) {
    const { id, ran } = at;
    const before = latest(waitedFor(at, byId));
    parts.push({ step: id, ...ran, wait: Math.max(0, ran.start - (before?.ran.end ?? 0)) });
    at = before;
  }
  return parts.reverse();
}

/** For each step: the longest chain that begins with it, in ms. */
function followers(steps: readonly TimedStep[]): ReadonlyMap<string, number> {
  const begins = new Map<string, number>();
  for (const step of [...steps].reverse()) {
    const whole = (begins.get(step.id) ?? 0) + lengthOf(step);
    begins.set(step.id, whole);
    for (const id of step.needs) begins.set(id, Math.max(begins.get(id) ?? 0, whole));
  }
  return begins;
}

/** @param steps each after all that it needs */
export function findCriticalPath(steps: readonly TimedStep[]): Timing {
  const ends = chains(steps);
  const begins = followers(steps);
  const floor = longest(ends);
  const parts = walkBack(steps).map((part) => ({
    ...part,
    saves: floor - longest(chains(steps, part.step)),
  }));
  const ran = steps.filter((step) => step.ran);
  const sum = (of: readonly number[]) => of.reduce((total, each) => total + each, 0);
  return {
    parts,
    busy: sum(parts.map(({ start, end }) => end - start)),
    floor,
    work: sum(ran.map(lengthOf)),
    slack: new Map(
      ran.map((step) => {
        const through = (ends.get(step.id) ?? 0) + (begins.get(step.id) ?? 0) - lengthOf(step);
        return [step.id, floor - through];
      }),
    ),
  };
}
