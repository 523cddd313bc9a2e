/** Events for a program that may throw. */
import type { BuildEvent, EventSink } from './events.js';

/** Who hears of what happens, and what ends it. */
export interface Hearing {
  readonly onEvent?: EventSink | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What an async function gives, also one of another realm. EventSink promises nothing: TypeScript takes them for one. */
function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}

/**
 * Carries something out that has a listener, or a signal. Events come out of the middle of things, such as a socket's,
 * where nobody catches what a listener throws, and nothing may stay half done: so that ends the work as the signal does.
 * An async listener throws later, and is not waited for: what it throws after the end is nobody's, and Node ends the
 * program.
 * @param action with a listener that never throws, and that hears no more once it has thrown
 * @throws what the listener threw, or the signal's reason; else what the action throws
 */
export async function heard<Result>(
  { onEvent, signal }: Hearing,
  action: (hearing: Hearing) => Promise<Result>,
): Promise<Result> {
  // A program's signal may live longer than thousands of builds: AbortSignal.any would keep something of each.
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  let hasThrown = false;
  let isOver = false;
  const end = (error: unknown): void => {
    hasThrown = true;
    controller.abort(error);
  };
  const endLater = (error: unknown): void => {
    if (isOver) throw error;
    end(error);
  };
  const tell = (event: BuildEvent): void => {
    if (hasThrown) return;
    try {
      const later: unknown = onEvent?.(event);
      if (isPromise(later)) later.then(undefined, endLater);
    } catch (error) {
      end(error);
    }
  };
  try {
    const hearing = { onEvent: onEvent && tell, signal: controller.signal };
    const result = await action(hearing);
    if (hasThrown) controller.signal.throwIfAborted();
    return result;
  } catch (error) {
    // A stream that was cut off speaks of itself.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    isOver = true;
    signal?.removeEventListener('abort', stop);
  }
}
