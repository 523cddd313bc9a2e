/** The builds that are kept, the newest first; those that run grow. */
import { computed, signal } from '@preact/signals';
import type { StepStatus } from '../../report/report-data.js';
import type { BuildLine, UiProblem } from '../../serve/ui-data.js';
import { formatDuration } from '../../ui/format.js';
import { StatusMark } from '../status-mark.js';
import { formatDate, plural } from '../wording.js';
import { follow, problemOf } from './ask-server.js';
import { Page, Problem } from './frame.js';

const builds = signal<readonly BuildLine[] | undefined>(undefined);
const problem = signal<UiProblem | undefined>(undefined);
const words = signal('');

const MARKS: Readonly<Record<BuildLine['status'], StepStatus>> = {
  ok: 'ran',
  failed: 'failed',
  interrupted: 'stopped',
  running: 'running',
  killed: 'stopped',
};

function textOf({ id, project, target, status, images }: BuildLine): string {
  return [id, project, target, status, ...images].join(' ').toLowerCase();
}

const shown = computed(() =>
  (builds.value ?? []).filter((build) => textOf(build).includes(words.value.trim().toLowerCase())),
);

function describe({ status, failed }: BuildLine): string {
  return status === 'failed' && failed.length > 0 ? `failed at ${failed.join(', ')}` : status;
}

function Row({ build }: { readonly build: BuildLine }) {
  const { id, started, project, target, status, duration, cached, ran, saved, images } = build;
  return (
    <tr class={status} data-build={id}>
      <td>
        <a href={`/builds/${id}`}>{id}</a>
      </td>
      <td class="text">{project}</td>
      <td class="text">{target ?? ''}</td>
      <td class="result">
        <StatusMark status={MARKS[status]} /> {describe(build)}
      </td>
      <td class="number">{formatDuration(duration)}</td>
      <td class="number">{ran}</td>
      <td class="number">{cached}</td>
      <td class="number">{saved > 0 ? formatDuration(saved) : ''}</td>
      <td class="number quiet">{formatDate(started)}</td>
      <td class="text">{images.join(', ')}</td>
    </tr>
  );
}

const HEAD: readonly (readonly [name: string, isNumber: boolean])[] = [
  ['build', false],
  ['project', false],
  ['target', false],
  ['result', false],
  ['took', true],
  ['ran', true],
  ['cached', true],
  ['saved', true],
  ['began', true],
  ['images', false],
];

function Table() {
  if (builds.value === undefined) return problem.value ? null : <p class="quiet">Loading …</p>;
  if (builds.value.length === 0) return <p class="quiet">No build is kept in this store so far.</p>;
  return (
    <div class="scrolls">
      <table class="rows">
        <thead>
          <tr>
            {HEAD.map(([name, isNumber]) => (
              <th key={name} scope="col" class={isNumber ? 'number' : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.value.map((build) => (
            <Row key={build.id} build={build} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function BuildsView() {
  const all = builds.value ?? [];
  const running = all.filter(({ status }) => status === 'running').length;
  return (
    <Page
      here="builds"
      head={
        <div class="outcome">
          <h1>
            {builds.value === undefined
              ? 'Builds'
              : running === 0
                ? plural(all.length, 'build')
                : `${plural(running, 'build')} running`}
          </h1>
          <search class="search">
            <input
              id="search"
              type="text"
              placeholder="Project, target, result, image"
              aria-label="Search builds"
              autocomplete="off"
              spellcheck={false}
              value={words.value}
              onInput={({ currentTarget }) => {
                words.value = currentTarget.value;
              }}
            />
            <kbd>/</kbd>
          </search>
        </div>
      }
    >
      <Problem problem={problem.value} />
      <Table />
    </Page>
  );
}

export async function followBuilds(): Promise<void> {
  try {
    await follow<readonly BuildLine[]>('/api/builds', (lines) => {
      builds.value = lines;
    });
  } catch (error) {
    problem.value = problemOf(error);
  }
}
