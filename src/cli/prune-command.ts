/** `wiac cache prune` */
import { boundBuildFiles } from '../store/builds/build-files.js';
import type { PruneReport, PruneRequest } from '../store/gc/prune-store.js';
import { previewPrune, prune } from '../store/gc/prune-store.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import { UsageError } from '../util/errors.js';
import { policyLimit, readHistoryBounds, readPolicy } from './config-file.js';
import type { SetExitCode } from './declare/options.js';
import type { FilterOptions } from './filters.js';
import { parseFilter, sizeOption } from './filters.js';
import { withStoreAsRoot } from './with-store.js';

/** Options, as commander gives them. */
export interface PruneOptions extends FilterOptions {
  readonly keepBytes?: string;
  readonly keepDays?: number;
  readonly all: boolean;
  readonly dryRun: boolean;
  readonly format: 'table' | 'json';
}

const DAY_MS = 86_400_000;

function getRequest(options: PruneOptions, root: string): PruneRequest {
  const filter = parseFilter(options);
  const keepBytes = sizeOption(options.keepBytes, '--keep-bytes');
  const { keepDays } = options;
  const filtered = Object.values(filter).some((value) => value !== undefined);
  if (options.all) {
    if (filtered || keepBytes !== undefined || keepDays !== undefined) {
      throw new UsageError('--all leaves nothing to choose', {
        hint: 'leave --all out, or the other options',
      });
    }
    return { keepBytes: undefined, filter, mountsUnusedFor: 0 };
  }
  const aged = (days: number | undefined) => {
    if (days === undefined) return { filter, mountsUnusedFor: undefined };
    const unusedFor = Math.max(days * DAY_MS, filter.unusedFor ?? 0);
    // A filter of entries says nothing of cache mounts.
    return { filter: { ...filter, unusedFor }, mountsUnusedFor: filtered ? undefined : unusedFor };
  };
  if (filtered || keepBytes !== undefined || keepDays !== undefined)
    return { keepBytes, ...aged(keepDays) };
  const policy = readPolicy(process.env);
  return { keepBytes: policyLimit(policy, root), ...aged(policy.keepDays) };
}

const KIND_TEXTS = { entry: '', image: 'image without a name', pulled: 'pulled layer', blob: '' };

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

function warn({ remaining, heldBy }: PruneReport, { keepBytes }: PruneRequest): void {
  if (heldBy !== undefined)
    process.stderr.write(`wiac: process ${heldBy} holds all layers for a moment: try again\n`);
  else if (keepBytes !== undefined && remaining > keepBytes)
    process.stderr.write(
      `wiac: the cache still takes ${formatBytes(remaining)}: the rest is in use or kept by age or filter\n`,
    );
}

/** `wiac cache prune` */
export async function pruneCommand(options: PruneOptions, setExitCode: SetExitCode): Promise<void> {
  await withStoreAsRoot(setExitCode, async (store) => {
    const request = getRequest(options, store.paths.root);
    const report = options.dryRun ? previewPrune(store, request) : prune(store, request);
    // Builds that are kept are no cache: their own bounds hold, whatever else is to go.
    if (!options.dryRun) boundBuildFiles(store, readHistoryBounds(process.env), Date.now());
    if (options.format === 'json') printJson(report, options.dryRun);
    else printTable(report, options.dryRun, Date.now());
    warn(report, request);
  });
}
