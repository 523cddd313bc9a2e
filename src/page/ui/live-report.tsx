/** The report of a build, which grows while the build goes on. */
import { signal } from '@preact/signals';
import { applyChange } from '../../serve/report-changes.js';
import type { ReportChange, UiProblem } from '../../serve/ui-data.js';
import { App } from '../app.js';
import { data } from '../state.js';
import { follow, problemOf } from './ask-server.js';
import { Nav, Problem } from './frame.js';

const isThere = signal(false);
const problem = signal<UiProblem | undefined>(undefined);

export function LiveReport() {
  const { value } = problem;
  if (!isThere.value)
    return (
      <header class="ui-head">
        <div class="top">
          <Nav here="build" />
        </div>
        {value ? <Problem problem={value} /> : <p class="quiet">Loading …</p>}
      </header>
    );
  return (
    <>
      <App nav={<Nav here="build" />} />
      {value ? (
        <div class="lost">
          <Problem problem={value} />
        </div>
      ) : null}
    </>
  );
}

/** @param path of the page: that of the build */
export async function followReport(path: string): Promise<void> {
  try {
    await follow<ReportChange>(`/api${path}`, (change) => {
      data.value = applyChange(isThere.value ? data.value : undefined, change);
      isThere.value = true;
      document.title = `${data.value.names[0] ?? data.value.dockerfile} · wiac build`;
    });
  } catch (error) {
    problem.value = problemOf(error);
  }
}
