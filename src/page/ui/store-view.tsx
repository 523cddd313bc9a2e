/** The store: how large it is, what is in it, and what may go. */
import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import type { StoreUsage, UiProblem } from '../../serve/ui-data.js';
import { formatBytes } from '../../ui/format.js';
import { ask, problemOf } from './ask-server.js';
import { EntriesTable, loadEntries } from './entries-table.js';
import { FilesSearch } from './files-search.js';
import { Page, Problem } from './frame.js';
import { PruneBox } from './prune-box.js';

const usage = signal<StoreUsage | undefined>(undefined);
const problem = signal<UiProblem | undefined>(undefined);

const PARTS = ['entries', 'files', 'prune'] as const;
type Part = (typeof PARTS)[number];

const NAMES: Readonly<Record<Part, string>> = {
  entries: 'Entries',
  files: 'Find a file',
  prune: 'Prune',
};

const ofAddress = (): Part => PARTS.find((part) => location.hash === `#${part}`) ?? 'entries';
const part = signal(ofAddress());
addEventListener('hashchange', () => {
  part.value = ofAddress();
});

export async function loadUsage(): Promise<void> {
  try {
    usage.value = await ask<StoreUsage>('/api/usage');
  } catch (error) {
    problem.value = problemOf(error);
  }
}

function show(next: Part): void {
  part.value = next;
  history.replaceState(null, '', `#${next}`);
}

function moveTab(event: KeyboardEvent): void {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step === undefined) return;
  const next = PARTS[(PARTS.indexOf(part.value) + step + PARTS.length) % PARTS.length];
  if (next === undefined) return;
  event.preventDefault();
  show(next);
  document.getElementById(`tab-${next}`)?.focus();
}

function Facts({ of }: { readonly of: StoreUsage }) {
  const facts: readonly (readonly [name: string, value: string])[] = [
    ['entries', of.entries.toLocaleString('en')],
    ['layers', of.layers.toLocaleString('en')],
    ['images', of.images.toLocaleString('en')],
    ['compressed', formatBytes(of.blobBytes)],
    ['cache mounts', formatBytes(of.mountBytes)],
    ['index', formatBytes(of.indexBytes)],
    ['can be pruned', formatBytes(of.reclaimableBytes)],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dd>{value}</dd>
          <dt>{name}</dt>
        </div>
      ))}
    </dl>
  );
}

/** After something was removed. */
function reload(): void {
  void loadUsage();
  void loadEntries();
}

const VIEWS: Readonly<Record<Part, () => JSX.Element>> = {
  entries: EntriesTable,
  files: FilesSearch,
  prune: () => <PruneBox onPruned={reload} />,
};

export function StoreView() {
  const View = VIEWS[part.value];
  const { value } = usage;
  return (
    <Page
      here="store"
      head={
        <>
          <div class="outcome">
            <h1 title={value?.root}>
              {value ? `${formatBytes(value.diskBytes)} on disk` : 'Store'}
            </h1>
            {value ? <Facts of={value} /> : null}
          </div>
          <div class="tabs" role="tablist" aria-label="Views" onKeyDown={moveTab}>
            {PARTS.map((name) => (
              <button
                key={name}
                type="button"
                role="tab"
                id={`tab-${name}`}
                aria-selected={part.value === name}
                aria-controls="view"
                tabIndex={part.value === name ? 0 : -1}
                onClick={() => show(name)}
              >
                {NAMES[name]}
              </button>
            ))}
          </div>
        </>
      }
    >
      <Problem problem={problem.value} />
      <div id="view" role="tabpanel" aria-labelledby={`tab-${part.value}`}>
        <View />
      </div>
    </Page>
  );
}
