/** Work that a signal ends. */

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
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const result = await Promise.race([action(), patience]);
    signal.throwIfAborted();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
