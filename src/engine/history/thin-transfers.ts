/** Which events of transfers are kept. Pure. */
import type { BuildEvent } from '../events.js';

/** One in so long of a transfer that goes on. ms */
const INTERVAL_MS = 2000;

/** Is an event between two others that tell as much? Asked for one after the other. @param at ms */
export type IsInBetween = (event: BuildEvent, at: number) => boolean;

/** The beginning and the end of each transfer are kept, and a few events in between. */
export function thinTransfers(): IsInBetween {
  const kept = new Map<string, number>();
  return (event, at) => {
    if (event.type !== 'transfer') return false;
    const before = kept.get(event.id);
    const goesOn = event.state === 'running';
    if (goesOn && before !== undefined && at - before < INTERVAL_MS) return true;
    if (goesOn) kept.set(event.id, at);
    else kept.delete(event.id);
    return false;
  };
}
