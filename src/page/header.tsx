/** The head of the page: what was built, how it went, and where to go. */
import type { JSX } from 'preact';
import { formatBytes, formatDuration } from '../ui/format.js';
import { SearchBox } from './search-box.js';
import { build, buildIndex, data, showBuild, showTab, type Tab, tab, tabs } from './state.js';
import { getTheme, switchTheme } from './theme.js';
import { formatDate } from './wording.js';

function outcome(): string {
  const { steps, duration } = build.value;
  const { state, exitCode, error } = data.value;
  if (state === 'running') return `Running for ${formatDuration(duration)}`;
  if (exitCode === 0) return `Built in ${formatDuration(duration)}`;
  const word = state === 'killed' ? 'Killed' : error?.code === 'INTERRUPTED' ? 'Stopped' : 'Failed';
  return steps.length === 0 ? word : `${word} after ${formatDuration(duration)}`;
}

interface Fact {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
}

function facts(): Fact[] {
  if (build.value.steps.length === 0) return [];
  const { ran, cached, saved, bytes, layers, path, duration } = build.value;
  const wasted = layers ? Object.values(layers.wasted).reduce((sum, each) => sum + each, 0) : 0;
  const size = layers?.bytes ?? bytes;
  return [
    { name: ran === 1 ? 'step ran' : 'steps ran', value: String(ran) },
    {
      name: 'cached',
      value: String(cached),
      ...(saved > 0 ? { note: `${formatDuration(saved)} saved` } : {}),
    },
    ...(path.parts.length === 0
      ? []
      : [
          {
            name: 'critical path',
            value: formatDuration(path.busy),
            note: `${Math.round((100 * path.busy) / Math.max(1, duration))}% of the time`,
          },
        ]),
    ...(size === undefined ? [] : [{ name: 'image', value: formatBytes(size) }]),
    ...(layers
      ? [
          {
            name: 'wasted',
            value: formatBytes(wasted),
            ...(wasted > 0
              ? { note: `${Math.ceil((100 * wasted) / layers.bytes)}% of the image` }
              : {}),
          },
        ]
      : []),
  ];
}

const NAMES: Readonly<Record<Tab, string>> = {
  summary: 'Summary',
  graph: 'Graph',
  timeline: 'Timeline',
  layers: 'Layers',
  history: 'Cache use',
};

function moveTab(event: KeyboardEvent): void {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step === undefined) return;
  const all = tabs.value;
  const next = all[(all.indexOf(tab.value) + step + all.length) % all.length];
  if (next === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  showTab(next);
  document.getElementById(`tab-${next}`)?.focus();
}

function Tabs() {
  return (
    <div class="tabs" role="tablist" aria-label="Views" onKeyDown={moveTab}>
      {tabs.value.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`tab-${name}`}
          aria-selected={tab.value === name}
          aria-controls="view"
          tabIndex={tab.value === name ? 0 : -1}
          onClick={() => showTab(name)}
        >
          {NAMES[name]}
        </button>
      ))}
    </div>
  );
}

function Platforms() {
  if (data.value.builds.length < 2) return null;
  return (
    <select
      aria-label="Platform"
      value={buildIndex.value}
      onChange={({ currentTarget }) => showBuild(Number(currentTarget.value))}
    >
      {data.value.builds.map(({ platform }, index) => (
        <option key={platform} value={index}>
          {platform}
        </option>
      ))}
    </select>
  );
}

/** @param nav instead of the name of the program: where else one can go */
export function Header({ nav }: { readonly nav?: JSX.Element | undefined }) {
  const { names, target, dockerfile, command, started, exitCode, state } = data.value;
  const name = names[0] ?? target ?? dockerfile;
  const isBad = exitCode !== 0 && state !== 'running';
  const other = getTheme() === 'dark' ? 'Light' : 'Dark';
  return (
    <header>
      <div class="top">
        <p class="what">
          {nav ?? <span class="maker">wiac</span>} <strong title={command}>{name}</strong>{' '}
          <time dateTime={new Date(started).toISOString()}>{formatDate(started)}</time>
        </p>
        <Platforms />
        <SearchBox />
        <button type="button" class="plain" id="theme" title="t" onClick={switchTheme}>
          {other}
        </button>
      </div>
      <div class="outcome">
        <h1 class={isBad ? 'bad' : undefined}>{outcome()}</h1>
        <dl class="facts">
          {facts().map(({ name: label, value, note }) => (
            <div key={label}>
              <dd>{value}</dd>
              <dt>
                {label}
                {note === undefined ? null : <span class="note">{note}</span>}
              </dt>
            </div>
          ))}
        </dl>
      </div>
      <Tabs />
    </header>
  );
}
