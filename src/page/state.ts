/** What the page shows, and what was chosen in it. The address keeps tab and step, so that it can be sent on. */
import { computed, effect, signal } from '@preact/signals';
import type { ReportBuild, ReportData, ReportStep } from '../report/report-data.js';
import { arrowsOfPath } from './path-arrows.js';

export const TABS = ['summary', 'graph', 'timeline', 'layers', 'history'] as const;
export type Tab = (typeof TABS)[number];

const EMPTY: ReportData = {
  version: 1,
  wiac: '',
  started: 0,
  command: '',
  context: '',
  dockerfile: '',
  names: [],
  builds: [],
  history: [],
};

/** That of a file is in it; `wiac ui` gives one after the other of a build that goes on. */
function readData(): ReportData {
  const text = document.getElementById('data')?.textContent ?? 'null';
  return (JSON.parse(text) as ReportData | null) ?? EMPTY;
}

export const data = signal(readData());

/** Wide enough for a panel beside the view. */
const wide = matchMedia('(min-width: 900px)');
export const isWide = signal(wide.matches);
wide.addEventListener('change', () => {
  isWide.value = wide.matches;
});

/** Which platform's build. */
export const buildIndex = signal(0);
const NOTHING: ReportBuild = {
  platform: '',
  steps: [],
  duration: 0,
  ran: 0,
  cached: 0,
  saved: 0,
  path: { parts: [], busy: 0, floor: 0, work: 0 },
  transfers: [],
  notes: [],
};
export const build = computed(() => data.value.builds[buildIndex.value] ?? NOTHING);

const stepsById = computed(
  () => new Map<string, ReportStep>(build.value.steps.map((step) => [step.id, step])),
);
export const getStep = (id: string) => stepsById.value.get(id);

/** Those that need a step, by its id. */
export const neededBy = computed(() => {
  const users = new Map<string, ReportStep[]>();
  for (const step of build.value.steps)
    for (const id of [step.parent, ...step.reads])
      if (id !== undefined) users.set(id, [...(users.get(id) ?? []), step]);
  return users;
});

export const onPath = computed(() => new Set(build.value.path.parts.map(({ step }) => step)));

export const pathArrows = computed(() => arrowsOfPath(build.value.path, stepsById.value));

/** A command that fails before it has a plan has none. */
const hasSteps = () => build.value.steps.length > 0;

/** Tabs that have something to show. */
export const tabs = computed(() =>
  TABS.filter(
    (tab) =>
      (tab !== 'history' || data.value.history.length > 0) &&
      (tab !== 'layers' || build.value.layers !== undefined) &&
      (tab !== 'summary' || !isWide.value || !hasSteps()) &&
      (!['graph', 'timeline'].includes(tab) || hasSteps()),
  ),
);

const wanted = signal<Tab | undefined>(undefined);
export const tab = computed<Tab>(() => {
  const { value } = wanted;
  if (value !== undefined && tabs.value.includes(value)) return value;
  return isWide.value && hasSteps() ? 'graph' : 'summary';
});

/** The step whose details are shown. */
export const selected = signal<string | undefined>(undefined);
/** A line of its output to show: counted from 0 in what the report has of it. */
export const logLine = signal<number | undefined>(undefined);

export function showTab(name: Tab): void {
  wanted.value = name;
}

export function select(id: string | undefined, line?: number): void {
  selected.value = id;
  logLine.value = line;
}

export function showBuild(index: number): void {
  buildIndex.value = index;
  select(undefined);
}

function readAddress(): void {
  const [name = '', step = ''] = location.hash.slice(1).split('/');
  wanted.value = TABS.find((each) => each === name);
  select(step === '' ? undefined : step);
}

/** Tab and step are in the address, both ways. Only where a report is shown: other pages have addresses of their own. */
export function keepAddress(): void {
  readAddress();
  addEventListener('hashchange', readAddress);
  effect(() => {
    const step = selected.value === undefined ? '' : `/${selected.value}`;
    const address = wanted.value === undefined && step === '' ? '' : `#${tab.value}${step}`;
    if (location.hash === address) return;
    history.replaceState(null, '', `${location.pathname}${location.search}${address}`);
  });
}
