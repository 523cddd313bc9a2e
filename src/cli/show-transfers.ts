/** Shows what a command fetches or sends while it does. */
import type { EventSink } from '../engine/events.js';
import { progressOpener } from '../ui/progress.js';

/**
 * Carries something out, and shows its transfers on standard error.
 * @param work is given what receives the events
 */
export async function showTransfers<T>(work: (onEvent: EventSink) => Promise<T>): Promise<T> {
  const open = await progressOpener('auto', false);
  const { emit, close } = open();
  try {
    return await work(emit);
  } finally {
    close();
  }
}
