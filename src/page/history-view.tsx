/** How much the cache helped in the last builds. */
import { scaleLinear } from 'd3-scale';
import type { PastBuild } from '../report/report-data.js';
import { formatDuration } from '../ui/format.js';
import { build, data } from './state.js';
import { formatDate, plural } from './wording.js';

const HEIGHT = 160;

function allBuilds(): (PastBuild & { readonly isThis: boolean })[] {
  const { duration, ran, cached, saved } = build.value;
  const { started, exitCode, state, history } = data.value;
  const failed = exitCode !== 0 && state !== 'running';
  return [
    ...history.map((past) => ({ ...past, isThis: false })),
    { started, duration, ran, cached, saved, failed, isThis: true },
  ];
}

export function HistoryView() {
  const builds = allBuilds();
  const scale = scaleLinear()
    .domain([0, Math.max(1, ...builds.map(({ ran, cached }) => ran + cached))])
    .range([0, HEIGHT]);
  const sum = (of: (past: PastBuild) => number) => builds.reduce((all, past) => all + of(past), 0);
  const found = sum(({ cached }) => cached);
  const all = found + sum(({ ran }) => ran);
  return (
    <div class="history-view">
      <p class="lead">
        {plural(builds.length, 'build')} of this project:{' '}
        {Math.round((100 * found) / Math.max(1, all))}% of their steps came from the cache, which
        saved <b>{formatDuration(sum(({ saved }) => saved))}</b>.
      </p>
      <div class="columns" style={{ height: `${HEIGHT}px` }} aria-hidden="true">
        {builds.map(({ started, ran, cached, failed, isThis }) => (
          <span key={started} class={isThis ? 'this' : undefined} title={formatDate(started)}>
            {failed ? <b>✕</b> : null}
            <i class="bar strong" style={{ height: `${scale(ran)}px` }} />
            <i class="bar from-cache" style={{ height: `${scale(cached)}px` }} />
          </span>
        ))}
      </div>
      <p class="legend">
        <i class="key bar strong" /> steps that ran <i class="key bar from-cache" /> cached{' '}
        <span class="crossed">✕ failed</span>
      </p>
      <div class="scrolls">
        <table>
          <thead>
            <tr>
              <th scope="col">build</th>
              <th scope="col" class="number">
                took
              </th>
              <th scope="col" class="number">
                ran
              </th>
              <th scope="col" class="number">
                cached
              </th>
              <th scope="col" class="number">
                saved
              </th>
              <th scope="col" />
            </tr>
          </thead>
          <tbody>
            {[...builds]
              .reverse()
              .map(({ started, duration, ran, cached, saved, failed, isThis }) => (
                <tr key={started}>
                  <td>{formatDate(started)}</td>
                  <td class="number">{formatDuration(duration)}</td>
                  <td class="number">{ran}</td>
                  <td class="number">{cached}</td>
                  <td class="number">{formatDuration(saved)}</td>
                  <td>
                    {[...(failed ? ['failed'] : []), ...(isThis ? ['this one'] : [])].join(', ')}
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
