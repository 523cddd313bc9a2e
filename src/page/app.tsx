/** The page: its head, one view, and beside it a step or the summary. */
import type { JSX } from 'preact';
import { GraphView } from './graph-view.js';
import { Header } from './header.js';
import { HistoryView } from './history-view.js';
import { LayersView } from './layers-view.js';
import { getStep, isWide, selected, type Tab, tab } from './state.js';
import { StepPanel } from './step-panel.js';
import { SummaryView } from './summary-view.js';
import { TimelineView } from './timeline-view.js';

const VIEWS: Readonly<Record<Tab, () => JSX.Element | null>> = {
  summary: SummaryView,
  graph: GraphView,
  timeline: TimelineView,
  layers: LayersView,
  history: HistoryView,
};

export function App({ nav }: { readonly nav?: JSX.Element }) {
  const View = VIEWS[tab.value];
  const step = selected.value === undefined ? undefined : getStep(selected.value);
  return (
    <>
      <Header nav={nav} />
      <main>
        <div id="view" role="tabpanel" aria-labelledby={`tab-${tab.value}`} class={tab.value}>
          <View />
        </div>
        {step || (isWide.value && tab.value !== 'summary') ? (
          <aside class="panel" aria-label={step ? 'Step' : 'Summary'}>
            {step ? <StepPanel key={step.id} step={step} /> : <SummaryView />}
          </aside>
        ) : null}
      </main>
    </>
  );
}
