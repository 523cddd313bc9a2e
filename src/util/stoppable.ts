/**
 * Does something that can be stopped from within, by its first error, and from outside.
 * @param outside stops it with its own reason
 */
export async function stoppable<T>(
  outside: AbortSignal,
  action: (signal: AbortSignal, stop: (reason: unknown) => void) => Promise<T>,
): Promise<T> {
  const stopper = new AbortController();
  // The first reason counts: abort() does nothing after that.
  const stop = (reason: unknown) => stopper.abort(reason);
  const onAbort = () => stop(outside.reason);
  outside.addEventListener('abort', onAbort, { once: true });
  if (outside.aborted) onAbort();
  try {
    return await action(stopper.signal, stop);
  } finally {
    outside.removeEventListener('abort', onAbort);
  }
}
