/** The list of builds, as it changes. */
import { setTimeout as delay } from 'node:timers/promises';
import { describeProject } from '../engine/history/describe-project.js';
import { listBuilds } from '../engine/history/read-builds.js';
import type { BuildSummary } from '../engine/history/record.js';
import { shown } from '../report/collect-events.js';
import type { Store } from '../store/store.js';
import type { BuildLine } from './ui-data.js';

const EVERY_MS = 1000;
/** Of the time at most: a build that runs is read to its end each time. */
const SHARE = 10;

/** A build as the page lists it. */
export function toBuildLine({
  header,
  status,
  result,
  totals,
  durationMs,
}: BuildSummary): BuildLine {
  const { id, started, target } = header;
  return {
    id,
    started,
    project: shown(describeProject(header)),
    ...(target === undefined ? {} : { target: shown(target) }),
    status,
    failed: totals.failed.map(shown),
    duration: durationMs,
    cached: totals.cached,
    ran: totals.executed,
    saved: totals.savedMs,
    images: (result?.images ?? []).map(shown),
  };
}

/** The builds of a store, newest first, and again when something changed. @throws the signal's reason */
export async function* watchBuilds(
  store: Store,
  signal: AbortSignal,
): AsyncGenerator<readonly BuildLine[]> {
  let ended: ReadonlyMap<string, BuildSummary> = new Map();
  for (let last = ''; ; ) {
    const began = performance.now();
    const builds: BuildSummary[] = [];
    for await (const build of listBuilds(store, ended)) builds.push(build);
    ended = new Map(
      builds.filter(({ status }) => status !== 'running').map((build) => [build.header.id, build]),
    );
    const lines = builds.map(toBuildLine);
    const text = JSON.stringify(lines);
    if (text !== last) yield lines;
    last = text;
    const pause = Math.max(EVERY_MS, SHARE * (performance.now() - began));
    await delay(pause, undefined, { signal });
  }
}
