/** `wiac workers` as a table. */
import type { ListedQueue } from '../executor/queue/list-queue.js';
import { formatTable } from './format.js';

/** Hex digits of a key that are shown. */
const SHORT = 12;

/** For people; ends with a line break. */
export function formatWorkers({
  workers,
  strangers,
  waiting,
  running,
  slots,
}: ListedQueue): string {
  const rows = workers.map((worker) => [
    worker.name,
    [...worker.platforms, ...worker.labels].join(','),
    `${worker.running.length}/${worker.slots}`,
    String(worker.done),
    worker.running.map((key) => key.slice(0, SHORT)).join(' ') || '-',
  ]);
  const others = strangers.map(({ name, wiac }) => `${name} is of wiac ${wiac}: it takes no steps`);
  const queued = waiting.map(
    ({ platform, label, chains }) =>
      `${chains} chains wait for ${platform}${label === undefined ? '' : ` with the label ${label}`}`,
  );
  const used = slots === 0 ? 0 : Math.round((100 * running) / slots);
  return [
    formatTable([['NAME', 'FOR', 'BUSY', 'DONE', 'RUNS'], ...rows]),
    ...others,
    ...queued,
    `${running} of ${slots} slots busy (${used} %)`,
    '',
  ].join('\n');
}
