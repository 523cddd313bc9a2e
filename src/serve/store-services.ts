/** What the page asks of a store, answered by the store. */
import { findFiles } from '../engine/contents/find-files.js';
import { findBuild } from '../engine/history/read-builds.js';
import type { BuildId } from '../engine/history/record.js';
import { listEntries } from '../store/entries/cache-queries.js';
import type { IndexScanStore } from '../store/entries/scan-store.js';
import { summarizeUsage } from '../store/entries/usage.js';
import type { PruneRequest } from '../store/gc/prune-store.js';
import { previewPrune, prune } from '../store/gc/prune-store.js';
import type { Store } from '../store/store.js';
import { UsageError } from '../util/errors.js';
import type { UiServices } from './answer.js';
import { watchBuilds } from './build-lines.js';
import { pageOf } from './entry-page.js';
import { followReport } from './kept-report.js';
import { oneLine, sumBytes } from './one-line.js';
import { toOutcome } from './prune-outcome.js';
import { openChanges } from './report-changes.js';
import type { FileLine, FoundFiles, PruneTexts, ReportChange } from './ui-data.js';

const MOST_FILES = 500;

async function find(
  store: Store,
  scanStore: IndexScanStore,
  wanted: string,
  signal: AbortSignal,
): Promise<FoundFiles> {
  if (wanted.trim() === '') throw new UsageError('there is nothing to look for');
  const files: FileLine[] = [];
  const found = findFiles(store, scanStore, wanted.trim(), { byName: true, signal });
  for await (const { layer, key, instruction, path, type, mode, size, digest } of found) {
    if (files.length === MOST_FILES) return { files, more: true };
    files.push({
      layer,
      ...(key === null ? {} : { key }),
      instruction: oneLine(instruction),
      path: oneLine(path),
      type,
      mode,
      size,
      ...(digest === null ? {} : { digest }),
    });
  }
  return { files, more: false };
}

async function* reportChanges(
  store: Store,
  id: BuildId,
  signal: AbortSignal,
): AsyncGenerator<ReportChange> {
  const changesOf = openChanges();
  const build = await findBuild(store, id);
  for await (const report of followReport(store, build, { signal })) yield changesOf(report);
}

/** What the command line knows of pruning. */
export interface PruneRules {
  /** @throws UsageError */
  readonly request: (options: PruneTexts) => PruneRequest;
  /** After a prune: builds that are kept have bounds of their own. */
  readonly after: () => void;
}

export function storeServices(
  store: Store,
  scanStore: IndexScanStore,
  { request, after }: PruneRules,
): UiServices {
  return {
    builds: (signal) => watchBuilds(store, signal),
    report: (id, signal) => reportChanges(store, id as BuildId, signal),
    usage() {
      const { mounts, ...usage } = summarizeUsage(store);
      return { root: store.paths.root, ...usage, mountBytes: sumBytes(mounts) };
    },
    entries: (query) => pageOf(listEntries(store, {}, Date.now()), query),
    find: (wanted, signal) => find(store, scanStore, wanted, signal),
    preview(options) {
      const wanted = request(options);
      return toOutcome(previewPrune(store, wanted), wanted);
    },
    prune(options) {
      const wanted = request(options);
      const report = prune(store, wanted);
      after();
      return toOutcome(report, wanted);
    },
  };
}
