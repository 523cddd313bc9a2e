/** What there is to say at the end of a build, beyond its time: a line or two. Pure. */
import type { BuildView, StepView } from './build-view.js';
import { tally } from './build-view.js';
import { formatDuration } from './format.js';

/** Less is not worth a line. */
export const WORTH_MS = 1000;
const SLOWEST = 3;

/** Commands that fetch what a list of dependencies names, which changes less often than the sources. */
const INSTALLS =
  /\b(?:npm (?:ci|install|i)|yarn(?: install)?|pnpm (?:i|install)|pip3? install|poetry install|uv sync|bundle install|composer install|go mod download|cargo fetch|apt-get install|apk add|dnf install)\b/;

/** The step that this one continues, or null. */
function below(view: BuildView, { step }: StepView): StepView | undefined {
  return step.parent === undefined ? undefined : view.steps.get(step.parent);
}

/** Does a COPY take a whole context or directory of it? */
function takesAll({ step }: StepView): boolean {
  return (
    step.kind === 'copy' &&
    step.from === undefined &&
    /^COPY\s+(?:--\S+\s+)*\.\/?\s/i.test(step.text)
  );
}

/** The COPY of everything that made a step run again, if that is what it was. */
function changedCopy(view: BuildView, shown: StepView): StepView | undefined {
  for (let at = below(view, shown); at?.status === 'done'; at = below(view, at))
    if (at.fileChanged && takesAll(at)) return at;
  return undefined;
}

/** What is clearly wasteful; undefined when nothing is. */
export function adviceFor(view: BuildView): string | undefined {
  for (const shown of view.steps.values()) {
    if (shown.status !== 'done' || shown.step.kind !== 'run' || !INSTALLS.test(shown.step.text))
      continue;
    const copy = changedCopy(view, shown);
    if (copy)
      return `${shown.name} installs again whenever any file changes, because ${copy.name} copies all of them before it. Copy only the files that list its packages there, and the others behind it.`;
  }
  return undefined;
}

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
  return [
    ...(facts.length > 0 ? [facts.join('; ')] : []),
    ...(advice === undefined ? [] : [`advice: ${advice}`]),
  ];
}
