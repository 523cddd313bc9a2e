/** What there is to know of a build at first: the error, what ran and why, what would make it faster. */
import type { ReportStep } from '../report/report-data.js';
import { Faster } from './faster.js';
import { logLines } from './search.js';
import { build, data, getStep } from './state.js';
import { StepLink } from './step-link.js';
import { plural } from './wording.js';

/** Reasons that are shown. */
const MOST = 10;
/** Lines of output of a step that failed. */
const ENDING = 12;

/** The last lines of its output. */
function Ending({ step }: { readonly step: ReportStep }) {
  const lines = logLines(step).slice(-ENDING);
  return lines.length === 0 ? null : <pre class="ending">{lines.join('\n')}</pre>;
}

function NoEnd() {
  return (
    <section class="problem">
      <h2>No end</h2>
      <p>The build was killed, or the machine went down. This is what was known until then.</p>
    </section>
  );
}

function Problem() {
  const { error, state } = data.value;
  if (!error) return state === 'killed' ? <NoEnd /> : null;
  const failed = build.value.steps.find(({ status }) => status === 'failed');
  return (
    <section class="problem">
      <h2>Error</h2>
      <p>
        {error.place === undefined ? null : <code>{error.place} </code>}
        {error.message}
      </p>
      {error.hint === undefined ? null : <p class="quiet">{error.hint}</p>}
      {failed ? (
        <>
          <StepLink step={failed} />
          <Ending step={failed} />
        </>
      ) : null}
    </section>
  );
}

/** Steps that ran for a reason of their own; the others ran because these did. */
function Reasons() {
  const { steps } = build.value;
  const ran = steps.filter(({ why }) => why !== undefined);
  // Steps come after those that they need.
  const behind = new Set<string>();
  for (const { id, parent, reads } of steps) {
    const needs = [parent, ...reads].flatMap((other) =>
      other === undefined ? [] : (getStep(other) ?? []),
    );
    if (needs.some((other) => other.why !== undefined || behind.has(other.id))) behind.add(id);
  }
  const own = ran.filter(({ id }) => !behind.has(id));
  if (own.length === 0) return null;
  const others = ran.length - own.length;
  return (
    <section>
      <h2>What ran, and why</h2>
      <ul class="reasons">
        {own.slice(0, MOST).map((step) => (
          <li key={step.id}>
            <StepLink step={step} />
            <p class="why">{step.why}</p>
          </li>
        ))}
      </ul>
      {others > 0 ? <p class="quiet">{plural(others, 'more step')} ran after these.</p> : null}
    </section>
  );
}

function Notes() {
  const { notes } = build.value;
  if (notes.length === 0) return null;
  return (
    <section>
      <h2>Warnings</h2>
      <ul class="notes">
        {notes.map(({ text, rule, place }) => (
          <li key={`${place} ${text}`}>
            {place === undefined ? null : <code>{place}</code>} {text}
            {rule === undefined ? null : <span class="quiet"> {rule}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function About() {
  const { command, dockerfile, context, wiac } = data.value;
  return (
    <section>
      <h2>Command</h2>
      <pre class="command">{command}</pre>
      <p class="quiet">
        {dockerfile}, context {context}, wiac {wiac}
      </p>
      {build.value.layersGone ? (
        <p class="quiet">
          Not all layers of the result are in the store, so that the view of layers is missing.
        </p>
      ) : null}
      <p class="quiet keys">
        <kbd>/</kbd> search <kbd>Tab</kbd> <kbd>← ↑ ↓ →</kbd> move <kbd>Enter</kbd> open{' '}
        <kbd>Esc</kbd> close <kbd>t</kbd> theme
      </p>
    </section>
  );
}

export function SummaryView() {
  return (
    <div class="summary">
      <Problem />
      <Reasons />
      {data.value.exitCode === 0 ? <Faster /> : null}
      <Notes />
      <About />
    </div>
  );
}
