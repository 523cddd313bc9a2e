/** `wiac cache prune` */
import { KIND_TEXTS, pruneWarning } from '../serve/prune-outcome.js';
import { boundBuildFiles } from '../store/builds/build-files.js';
import type { PruneReport } from '../store/gc/prune-store.js';
import { previewPrune, prune } from '../store/gc/prune-store.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import { readHistoryBounds } from './config-file.js';
import type { SetExitCode } from './declare/options.js';
import type { PruneChoice } from './prune-request.js';
import { pruneRequest } from './prune-request.js';
import { withStoreAsRoot } from './with-store.js';

/** Options, as commander gives them. */
export interface PruneOptions extends PruneChoice {
  readonly dryRun: boolean;
  readonly format: 'table' | 'json';
}

function printTable(report: PruneReport, dryRun: boolean, now: number): void {
  const rows = report.items.map(({ item, bytes }) => [
    item.kind,
    item.id.replace(/^sha256:/, '').slice(0, 12),
    formatAge(now - item.lastUsed),
    formatBytes(bytes),
    (item.text || KIND_TEXTS[item.kind]).replaceAll('\n', ' '),
  ]);
  const mounts = report.mounts.map(({ name, id, lastUsed, bytes }) => [
    'mount',
    name.slice(0, 12),
    lastUsed === 0 ? '-' : formatAge(now - lastUsed),
    formatBytes(bytes),
    id,
  ]);
  const all = [...rows, ...mounts];
  if (all.length > 0)
    process.stdout.write(formatTable([['KIND', 'ID', 'USED', 'FREES', 'WHAT'], ...all]));
  process.stdout.write(`${dryRun ? 'would free' : 'freed'} ${formatBytes(report.freed)}\n`);
}

function printJson(report: PruneReport, dryRun: boolean): void {
  const { items, mounts, layers, freed, remaining } = report;
  const removed = items.map(({ item, bytes }) => {
    const { kind, id, text, layer, lastUsed, rebuildMs } = item;
    return { kind, id, text, layer: layer ?? null, lastUsed, rebuildMs, bytes };
  });
  const value = { dryRun, removed, mounts, layers, freedBytes: freed, cacheBytes: remaining };
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** `wiac cache prune` */
export async function pruneCommand(options: PruneOptions, setExitCode: SetExitCode): Promise<void> {
  await withStoreAsRoot(setExitCode, async (store) => {
    const request = pruneRequest(options, store.paths.root);
    const report = options.dryRun ? previewPrune(store, request) : prune(store, request);
    // Builds that are kept are no cache: their own bounds hold, whatever else is to go.
    if (!options.dryRun) boundBuildFiles(store, readHistoryBounds(process.env), Date.now());
    if (options.format === 'json') printJson(report, options.dryRun);
    else printTable(report, options.dryRun, Date.now());
    const warning = pruneWarning(report, request);
    if (warning !== undefined) process.stderr.write(`wiac: ${warning}\n`);
  });
}
