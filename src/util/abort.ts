/** Work that a signal or a clock ends. */

/** How long a stopped task may take to clear up after a signal. */
const PATIENCE_MS = 2000;

/**
 * Does what a signal ends, also where it waits for something that does not listen to signals.
 * @throws the signal's reason, at most two seconds after the signal
 */
export async function abortable<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let giveUp = () => {};
  const patience = new Promise<never>((_resume, refuse) => {
    giveUp = () => void setTimeout(() => refuse(signal.reason), PATIENCE_MS);
  });
  // Hundreds of tasks may wait at the same time: the signal itself would warn of so many listeners.
  const own = AbortSignal.any([signal]);
  own.addEventListener('abort', giveUp, { once: true });
  try {
    const result = await Promise.race([action(), patience]);
    signal.throwIfAborted();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    own.removeEventListener('abort', giveUp);
  }
}

/**
 * Waits for an answer.
 * @param ms how long
 * @param late what is thrown then
 */
export async function answered<T>(ms: number, answer: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_resume, refuse) => {
    timer = setTimeout(() => refuse(late()), ms);
  });
  try {
    return await Promise.race([answer, over]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits until something is over, but not longer than that. Whether it succeeds does not matter.
 * @returns it was over in time
 */
export async function within(ms: number, action: Promise<unknown>): Promise<boolean> {
  const over = action.then(
    () => true,
    () => true,
  );
  return answered(ms, over, () => new Error('too late')).catch(() => false);
}
