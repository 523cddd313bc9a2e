/** Lines about what goes on and has said nothing for long: somebody watches a log and wonders. */
import type { BuildView, ShownEvent } from './build-view.js';
import { formatDuration, formatTransfer } from './format.js';

/** After so long there is a line, and after as long again the next one. */
const SILENCE_MS = 30_000;

/** When each step that runs, and each transfer that goes on, was last heard of. */
export interface Silence {
  /** Takes note of an event. */
  readonly hear: (event: ShownEvent, now: number) => void;
  /** The lines that are due, of what the view has. */
  readonly lines: (view: BuildView, now: number) => string[];
  /** Does anything go on? */
  readonly waits: () => boolean;
}

/** Nothing was heard of yet. Times are ms since the epoch. */
export function listenForSilence(): Silence {
  const heard = new Map<string, number>();
  const describe = ({ steps, transfers }: BuildView, id: string, now: number): string => {
    const transfer = transfers.get(id);
    if (transfer) {
      const { what, name, done, total, durationMs } = transfer;
      return `${what} ${name}: ${formatTransfer(done, total, durationMs)}`;
    }
    const step = [...steps.values()].find((shown) => shown.step.id === id);
    const said = step?.unfinished ? ` | ${step.unfinished}` : '';
    return `${step?.name ?? id} still runs, for ${formatDuration(now - (step?.since ?? now))}${said}`;
  };
  return {
    hear(event, now) {
      if (event.type === 'started' || event.type === 'output') heard.set(event.step, now);
      if (event.type === 'finished' || event.type === 'failed' || event.type === 'stopped')
        heard.delete(event.step);
      if (event.type !== 'transfer') return;
      if (event.state !== 'running') heard.delete(event.id);
      else if (!heard.has(event.id)) heard.set(event.id, now);
    },
    lines(view, now) {
      const due = [...heard].filter(([, at]) => now - at >= SILENCE_MS).map(([id]) => id);
      for (const id of due) heard.set(id, now);
      return due.map((id) => describe(view, id, now));
    },
    waits: () => heard.size > 0,
  };
}
