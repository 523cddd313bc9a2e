/** Chooses how a build's progress is shown. Everything goes to stderr; stdout is the result's. */
import type { EventSink } from '../build/events.js';
import { plainProgress } from './plain.js';

export const PROGRESS_MODES = ['auto', 'tty', 'plain', 'json'] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** A sink and what has to be done at its end. */
export interface Progress {
  readonly emit: EventSink;
  readonly close: () => void;
}

/** Opens the progress display of a build. */
export async function openProgress(mode: ProgressMode, quiet: boolean): Promise<Progress> {
  const { stderr } = process;
  if (quiet) return { emit: () => {}, close: () => {} };
  if (mode === 'json') {
    return { emit: (event) => void stderr.write(`${JSON.stringify(event)}\n`), close: () => {} };
  }
  if (mode === 'tty' || (mode === 'auto' && stderr.isTTY)) {
    const { ttyProgress } = await import('./tty.js');
    return ttyProgress(stderr);
  }
  return { emit: plainProgress((text) => void stderr.write(text)), close: () => {} };
}
