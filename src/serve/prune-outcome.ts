/** What a prune would remove, or did, as the page shows it. Pure. */
import type { PruneReport, PruneRequest } from '../store/gc/prune-store.js';
import { formatBytes } from '../ui/format.js';
import { oneLine } from './one-line.js';
import type { PruneOutcome } from './ui-data.js';

/** Rows that are shown. */
const MOST_ITEMS = 500;

/** What items are called that have no instruction. */
export const KIND_TEXTS = {
  entry: '',
  image: 'image without a name',
  pulled: 'pulled layer',
  blob: '',
};

/** What has to be said of a prune that did less than was asked for. */
export function pruneWarning(
  { remaining, heldBy }: PruneReport,
  { keepBytes }: PruneRequest,
): string | undefined {
  if (heldBy !== undefined) return `process ${heldBy} holds all layers for a moment: try again`;
  if (keepBytes === undefined || remaining <= keepBytes) return undefined;
  return `the cache still takes ${formatBytes(remaining)}: the rest is in use or kept by age or filter`;
}

/** What the page shows of a plan, or of what was done. */
export function toOutcome(report: PruneReport, request: PruneRequest): PruneOutcome {
  const { remaining, freed } = report;
  const items = [
    ...report.items.map(({ item, bytes }) => ({
      kind: item.kind,
      id: item.id.replace(/^sha256:/, ''),
      text: oneLine(item.text || KIND_TEXTS[item.kind]),
      lastUsed: item.lastUsed,
      bytes,
    })),
    ...report.mounts.map(({ name, id, lastUsed, bytes }) => ({
      kind: 'mount',
      id: name,
      text: oneLine(id),
      lastUsed,
      bytes,
    })),
  ];
  const warning = pruneWarning(report, request);
  return {
    items: items.sort((a, b) => b.bytes - a.bytes).slice(0, MOST_ITEMS),
    count: items.length,
    freed,
    remaining,
    ...(warning === undefined ? {} : { warning }),
  };
}
