/** Events for a program that may throw. */
import type { BuildEvent, EventSink } from './events.js';

/** Who hears of what happens, and what ends it. */
export interface Hearing {
  readonly onEvent?: EventSink | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Carries something out that has a listener. Events come out of the middle of things, such as a socket's, where nobody
 * catches what a listener throws, and nothing may stay half done: so that ends the work as the signal does.
 * @param action with a listener that never throws, and that hears no more once it has thrown
 * @throws what the listener threw, else what the action throws
 */
export async function heard<Result>(
  { onEvent, signal }: Hearing,
  action: (hearing: Hearing) => Promise<Result>,
): Promise<Result> {
  if (!onEvent) return action({ onEvent, signal });
  // A program's signal may live longer than thousands of builds: AbortSignal.any would keep something of each.
  const controller = new AbortController();
  const stop = () => controller.abort(signal?.reason);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop);
  let thrown: { readonly error: unknown } | undefined;
  const tell = (event: BuildEvent): void => {
    if (thrown) return;
    try {
      onEvent(event);
    } catch (error) {
      thrown = { error };
      controller.abort(error);
    }
  };
  const rethrow = (): void => {
    if (thrown) throw thrown.error;
  };
  try {
    const result = await action({ onEvent: tell, signal: controller.signal });
    rethrow();
    return result;
  } catch (error) {
    rethrow();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
