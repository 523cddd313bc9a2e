/** What would make the build faster. */
import { formatDuration } from '../ui/format.js';
import { build, getStep } from './state.js';
import { StepLink } from './step-link.js';

/** Less than that is not worth a thought. */
const WORTH_MS = 100;
const MOST = 5;

export function Faster() {
  const { path, duration } = build.value;
  const worth = [...path.parts]
    .filter(({ saves }) => saves >= WORTH_MS)
    .sort((a, b) => b.saves - a.saves)
    .slice(0, MOST);
  if (path.parts.length === 0) return null;
  const idle = duration - path.busy;
  return (
    <section>
      <h2>What would make it faster</h2>
      {worth.length === 0 ? <p class="quiet">No step took long.</p> : null}
      <ul class="plain-list">
        {worth.map(({ step: id, saves, start, end }) => {
          const step = getStep(id);
          return step ? (
            <li key={id}>
              <StepLink step={step} aside={`−${formatDuration(saves)}`} />
              {saves < end - start ? (
                <p class="quiet">of its {formatDuration(end - start)}; then other steps decide</p>
              ) : null}
            </li>
          ) : null;
        })}
      </ul>
      {idle >= WORTH_MS ? (
        <p class="quiet">
          {formatDuration(idle)} went by between these steps and after them: looking up, waiting for
          a place, keeping the result.
        </p>
      ) : null}
    </section>
  );
}
