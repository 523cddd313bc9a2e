/** What there is to say at the end of a build, beyond its time: a line or two. Pure. */
import { adviceFor } from './advice.js';
import type { BuildView } from './build-view.js';
import { tally } from './build-view.js';
import { formatDuration } from './format.js';

/** Less is not worth a line. */
export const WORTH_MS = 1000;
const SLOWEST = 3;

/** Lines without line feeds; none when nothing took long and nothing is wasteful. */
export function describeConclusion(view: BuildView): string[] {
  const { savedMs } = tally(view);
  const slowest = [...view.steps.values()]
    .filter(({ status, durationMs }) => status === 'done' && durationMs >= WORTH_MS)
    .sort((a, b) => b.durationMs - a.durationMs)
    .slice(0, SLOWEST)
    .map(({ name, durationMs }) => `${name} ${formatDuration(durationMs)}`);
  const facts = [
    ...(savedMs >= WORTH_MS ? [`the cache saved ${formatDuration(savedMs)}`] : []),
    ...(slowest.length > 0 ? [`slowest: ${slowest.join(', ')}`] : []),
  ];
  const advice = adviceFor(view);
  return [...facts, ...(advice === undefined ? [] : [`advice: ${advice}`])];
}
