/** Everything about one step. */
import type { ReportStep } from '../report/report-data.js';
import { formatBytes, formatDuration } from '../ui/format.js';
import { getStep, logLine, neededBy, onPath, select } from './state.js';
import { StatusMark } from './status-mark.js';
import { StepLink } from './step-link.js';
import { plural, STATUS } from './wording.js';

function facts(step: ReportStep): string[] {
  const { status, duration, start, slack, files, bytes, linked } = step;
  const took =
    status === 'cached'
      ? [`took ${formatDuration(duration)} when it ran`]
      : status === 'ran' || status === 'failed' || status === 'stopped' || status === 'running'
        ? [`${formatDuration(duration)}, from ${formatDuration(start ?? 0)} on`]
        : [];
  return [
    ...took,
    ...(onPath.value.has(step.id) ? ['on the critical path'] : []),
    ...(!onPath.value.has(step.id) && slack !== undefined
      ? [`could take ${formatDuration(slack)} longer`]
      : []),
    ...(files === undefined ? [] : [`${plural(files, 'file')}, ${formatBytes(bytes ?? 0)}`]),
    ...(linked ? [`${plural(linked, 'file')} linked from a former layer`] : []),
  ];
}

function Links({
  title,
  steps,
}: {
  readonly title: string;
  readonly steps: readonly ReportStep[];
}) {
  if (steps.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      {steps.map((step) => (
        <StepLink key={step.id} step={step} />
      ))}
    </section>
  );
}

function Lines({ lines, from }: { readonly lines: readonly string[]; readonly from: number }) {
  return (
    <>
      {lines.map((line, index) => {
        const isWanted = logLine.value === from + index;
        return (
          <div
            key={index}
            class={isWanted ? 'wanted' : undefined}
            ref={(element) => {
              if (isWanted) element?.scrollIntoView({ block: 'center' });
            }}
          >
            {line === '' ? ' ' : line}
          </div>
        );
      })}
    </>
  );
}

function Log({ step: { log } }: { readonly step: ReportStep }) {
  if (!log) return null;
  const lines = log.head.length + log.tail.length + log.leftOut;
  return (
    <details open>
      <summary>
        Output <span class="quiet">{plural(lines, 'line')}</span>
      </summary>
      <div class="log">
        <Lines lines={log.head} from={0} />
        {log.leftOut > 0 ? <p class="left-out">{plural(log.leftOut, 'line')} left out</p> : null}
        <Lines lines={log.tail} from={log.head.length} />
      </div>
    </details>
  );
}

function Inputs({ step: { inputs, key, by } }: { readonly step: ReportStep }) {
  return (
    <details open={inputs.length <= 12}>
      <summary>
        Key and inputs{' '}
        {by === undefined ? null : (
          <span class="quiet">
            found by {by === 'definition' ? 'what it is made of' : 'what it reads'}
          </span>
        )}
      </summary>
      {key === undefined ? null : <p class="key">{key}</p>}
      <table class="inputs">
        <tbody>
          {inputs.map(([name, value], index) => (
            <tr key={index}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

function Files({ step: { entries, files = 0 } }: { readonly step: ReportStep }) {
  if (!entries || entries.length === 0) return null;
  return (
    <details open={entries.length <= 40}>
      <summary>
        Files of its layer{' '}
        <span class="quiet">{files > entries.length ? `the largest ${entries.length}` : ''}</span>
      </summary>
      <table class="files">
        <tbody>
          {entries.map(({ mode, path, bytes }) => (
            <tr key={path} class={mode === 'w' ? 'gone' : undefined}>
              <td>{mode === 'w' ? 'deleted' : mode}</td>
              <td class="number">{mode.startsWith('f') ? formatBytes(bytes) : ''}</td>
              <td class="path">{path}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

export function StepPanel({ step }: { readonly step: ReportStep }) {
  const needs = [step.parent, ...step.reads].flatMap((id) =>
    id === undefined ? [] : (getStep(id) ?? []),
  );
  return (
    <article class="step" aria-label={step.name}>
      <div class="step-head">
        <h2>
          <StatusMark status={step.status} /> {step.name}{' '}
          <span class="status">{STATUS[step.status]}</span>
        </h2>
        <button type="button" class="plain" onClick={() => select(undefined)}>
          Close <kbd>Esc</kbd>
        </button>
      </div>
      <pre class="instruction">{step.text}</pre>
      <p class="quiet">
        {step.file}:{step.line}
        {facts(step).map((fact) => ` · ${fact}`)}
      </p>
      {step.message === undefined ? null : <p class="message">{step.message}</p>}
      {step.why === undefined ? null : (
        <section>
          <h3>Why it ran</h3>
          <p class="why">{step.why}</p>
        </section>
      )}
      <Log step={step} />
      <Inputs step={step} />
      <Files step={step} />
      <Links title="Needs" steps={needs} />
      <Links title="Needed by" steps={neededBy.value.get(step.id) ?? []} />
    </article>
  );
}
