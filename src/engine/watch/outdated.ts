/** Builds that something has changed for, and errors that a change may mend. */
import type { Store } from '../../store/store.js';
import { InterruptedError, StoreError, UsageError, WiacError } from '../../util/errors.js';
import { planBuild } from '../ask.js';
import type { DockerfileBuild } from '../build-dockerfile.js';
import type { HeldEvents } from './held-events.js';

/** May another file mend it? */
export function isMendable(error: unknown): error is WiacError {
  return (
    error instanceof WiacError &&
    !(error instanceof InterruptedError) &&
    !(error instanceof UsageError) &&
    !(error instanceof StoreError)
  );
}

/** Has a step that was looked up another key by now? What was not looked up will be as it is now. */
export async function isOutdated(
  store: Store,
  { platforms = [], ...asked }: DockerfileBuild,
  { keys, builds }: HeldEvents,
): Promise<boolean> {
  try {
    const platform = platforms[Math.max(0, builds() - 1)];
    const { statuses } = await planBuild(store, { ...asked, platform });
    const now = new Map(statuses.map(({ step, key }) => [step.id, key]));
    return [...keys].some(([step, key]) => now.get(step) !== key);
  } catch (error) {
    // The next build says so, and better.
    if (error instanceof WiacError) return true;
    throw error;
  }
}
