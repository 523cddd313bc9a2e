/** When each step ran, which of them decided the time, and what the others had left. */
import { useSignal } from '@preact/signals';
import { scaleLinear } from 'd3-scale';
import type { ReportBuild, ReportStep } from '../report/report-data.js';
import { formatBytes, formatDuration } from '../ui/format.js';
import { Faster } from './faster.js';
import { build, data, isWide, onPath, select, selected } from './state.js';
import { StatusMark } from './status-mark.js';
import { firstLine, plural, STATUS, timeOf } from './wording.js';

/** In percent of the build's time. */
type Scale = (ms: number) => number;

const percent = (value: number) => `${Math.round(value * 1000) / 1000}%`;

function endOf({ duration, steps, transfers }: ReportBuild): number {
  return Math.max(1, duration, ...[...steps, ...transfers].map(({ end = 0 }) => end));
}

/** Behind it a time has no room, in percent: it would make the page wider than a phone. */
const LAST_TIME = 96;

function Axis({ scale, ticks }: { readonly scale: Scale; readonly ticks: readonly number[] }) {
  return (
    <div class="axis" aria-hidden="true">
      {ticks
        .filter((tick) => scale(tick) <= LAST_TIME)
        .map((tick) => (
          <span key={tick} style={{ left: percent(scale(tick)) }}>
            {tick === 0 ? '0' : formatDuration(tick).replace(/\.?0+s$/, 's')}
          </span>
        ))}
    </div>
  );
}

interface RowProps {
  readonly step: ReportStep;
  readonly scale: Scale;
  readonly wait: number;
}

function Bars({ step, scale, wait }: RowProps) {
  const { start, end = start, slack = 0, status } = step;
  if (start === undefined || end === undefined) return null;
  const isStrong = onPath.value.has(step.id);
  const span = (from: number, to: number) => ({
    left: percent(scale(from)),
    width: percent(scale(to) - scale(from)),
  });
  if (status === 'cached') return <i class="bar cached" style={{ left: percent(scale(start)) }} />;
  return (
    <>
      {wait > 0 ? <i class="wait" style={span(start - wait, start)} /> : null}
      <i class={`bar ${status}${isStrong ? ' strong' : ''}`} style={span(start, end)} />
      {!isStrong && slack > 0 ? (
        <i class="slack" style={span(end, Math.min(end + slack, 1e12))} />
      ) : null}
    </>
  );
}

function Row(props: RowProps) {
  const { step } = props;
  return (
    <button
      type="button"
      class="row"
      data-step={step.id}
      aria-pressed={selected.value === step.id}
      aria-label={`${step.name}, ${STATUS[step.status]}, ${timeOf(step)}: ${firstLine(step.text)}`}
      onClick={() => select(step.id)}
    >
      <span class="label">
        <StatusMark status={step.status} />
        <span class="step-name">{step.name}</span>
        <code>{firstLine(step.text)}</code>
      </span>
      <span class="time">{timeOf(step)}</span>
      <span class="track">
        <Bars {...props} />
      </span>
    </button>
  );
}

/** Arrow keys go from row to row. */
function moveRow(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by === undefined || !(event.currentTarget instanceof HTMLElement)) return;
  const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-step]')];
  const next = rows[rows.indexOf(document.activeElement as HTMLElement) + by];
  if (!next) return;
  event.preventDefault();
  next.focus();
  select(next.dataset.step);
}

function Transfers({ scale }: { readonly scale: Scale }) {
  const { transfers } = build.value;
  if (transfers.length === 0) return null;
  return (
    <>
      <h3>Transfers</h3>
      {transfers.map(({ what, name, bytes, start, end, failed }) => (
        <div class="row" key={`${what} ${name} ${start}`}>
          <span class="label">
            <span class="step-name">{failed ? `${what}, failed` : what}</span>
            <code>{name}</code>
          </span>
          <span class="time">{formatBytes(bytes)}</span>
          <span class="track">
            <i
              class="bar transfer"
              style={{ left: percent(scale(start)), width: percent(scale(end) - scale(start)) }}
            />
          </span>
        </div>
      ))}
    </>
  );
}

function PathText() {
  const { path, duration } = build.value;
  if (path.parts.length === 0)
    return (
      <p class="lead">
        {data.value.state === 'running'
          ? 'Nothing has run so far.'
          : 'Nothing ran: every step was in the cache.'}
      </p>
    );
  const together = path.work / Math.max(1, duration);
  return (
    <p class="lead">
      {plural(path.parts.length, 'step')}{' '}
      {data.value.state === 'running'
        ? 'decide how long it takes so far'
        : 'decided how long it took'}
      : the critical path, with <b>{formatDuration(path.busy)}</b> of {formatDuration(duration)}.
      All steps that ran took {formatDuration(path.work)}, {together.toFixed(1)} at a time.
    </p>
  );
}

export function TimelineView() {
  const all = useSignal(false);
  const shown = build.value;
  const end = endOf(shown);
  const axis = scaleLinear().domain([0, end]).range([0, 100]);
  const ticks = axis.ticks(6);
  const waits = new Map(shown.path.parts.map(({ step, wait }) => [step, wait]));
  const timed = shown.steps.filter(({ start }) => start !== undefined);
  const ran = timed.filter(({ status }) => status !== 'cached');
  const cached = timed.length - ran.length;
  const rows = [...(all.value || ran.length === 0 ? timed : ran)].sort(
    (a, b) => (a.start ?? 0) - (b.start ?? 0),
  );
  return (
    <div class="timeline-view">
      <PathText />
      <section class="chart" onKeyDown={moveRow} aria-label="Steps in time">
        <div class="row axis-row">
          <span class="label">
            {cached > 0 && ran.length > 0 ? (
              <label class="quiet">
                <input
                  type="checkbox"
                  checked={all.value}
                  onChange={({ currentTarget }) => {
                    all.value = currentTarget.checked;
                  }}
                />{' '}
                with {plural(cached, 'cached step')}
              </label>
            ) : null}
          </span>
          <span class="time" />
          <span class="track">
            <Axis scale={axis} ticks={ticks} />
          </span>
        </div>
        <div class="grid-lines" aria-hidden="true">
          <span class="track">
            {ticks.map((tick) => (
              <i key={tick} style={{ left: percent(axis(tick)) }} />
            ))}
          </span>
        </div>
        {rows.map((step) => (
          <Row key={step.id} step={step} scale={axis} wait={waits.get(step.id) ?? 0} />
        ))}
        <Transfers scale={axis} />
      </section>
      <p class="legend">
        <i class="key bar strong" /> critical path <i class="key bar ran" /> others that ran{' '}
        <i class="key slack" /> time they had left <i class="key wait" /> waited
      </p>
      {(isWide.value && selected.value === undefined) || data.value.exitCode !== 0 ? null : (
        <Faster />
      )}
    </div>
  );
}
