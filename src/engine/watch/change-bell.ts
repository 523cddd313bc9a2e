/** Changes that come in bursts, as one. */
import { setTimeout as sleep } from 'node:timers/promises';

/** After the first change: so long nothing else has to happen. ms */
const QUIET_MS = 30;
/** Between two that belong together: editors and compilers write one file after the other. ms */
const BURST_MS = 70;
/** Somebody who never stops writing is not waited for any longer. ms */
const PATIENCE_MS = 500;

/** Rung by changes. */
export interface ChangeBell {
  readonly ring: () => void;
  /** Waits for a change, and until a burst of them is over. @throws the signal's reason */
  readonly heard: (signal: AbortSignal) => Promise<void>;
}

/** @throws (its functions) the signal's reason */
export function changeBell(): ChangeBell {
  let isRung = false;
  let wake: () => void = () => {};
  const take = (): boolean => {
    const was = isRung;
    isRung = false;
    return was;
  };
  const wait = async (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    if (isRung) return;
    await new Promise<void>((resume, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      wake = () => {
        signal.removeEventListener('abort', stop);
        resume();
      };
    });
  };
  return {
    ring() {
      isRung = true;
      wake();
    },
    async heard(signal) {
      await wait(signal);
      const until = performance.now() + PATIENCE_MS;
      for (let pause = QUIET_MS; take() && performance.now() < until; pause = BURST_MS)
        await sleep(pause);
      // The next one that waits hears of it.
      if (signal.aborted) isRung = true;
      signal.throwIfAborted();
    },
  };
}
