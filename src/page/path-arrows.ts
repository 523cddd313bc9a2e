/** The arrows that the critical path goes along. Pure. */
import type { CriticalPath, ReportStep } from '../report/report-data.js';

/** @returns `from to` each: it leads through steps that took no time as well */
export function arrowsOfPath(
  { parts }: CriticalPath,
  steps: ReadonlyMap<string, ReportStep>,
): ReadonlySet<string> {
  const arrows = new Set<string>();
  const onPath = new Set(parts.map(({ step }) => step));
  const seen = new Set<string>();
  /** @returns whether the step comes after the other one */
  const mark = (id: string, from: string): boolean => {
    if (id === from) return true;
    if (seen.has(id)) return false;
    seen.add(id);
    const { parent, reads = [] } = steps.get(id) ?? {};
    const way = [parent, ...reads].find(
      (other) => other !== undefined && (other === from || !onPath.has(other)) && mark(other, from),
    );
    if (way !== undefined) arrows.add(`${way} ${id}`);
    return way !== undefined;
  };
  for (const [index, { step }] of parts.slice(1).entries()) {
    seen.clear();
    mark(step, parts[index]?.step ?? '');
  }
  return arrows;
}
