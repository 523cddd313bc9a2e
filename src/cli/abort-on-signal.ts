/** What Ctrl-C does. */
import { setMaxListeners } from 'node:events';
import { constants } from 'node:os';
import { abortable } from '../util/abort.js';
import { InterruptedError } from '../util/errors.js';

const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Aborts on a signal that asks the process to end; a second one ends it at once. */
export function abortOnSignal(): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  // Each layer of an image listens.
  setMaxListeners(0, controller.signal);
  const handler = (name: NodeJS.Signals) => {
    const error = new InterruptedError(name, constants.signals[name]);
    if (controller.signal.aborted) process.exit(error.exitCode);
    controller.abort(error);
  };
  for (const name of STOPPING) process.on(name, handler);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of STOPPING) process.off(name, handler);
    },
  };
}

/** Does what a signal can end; then the error is that of the signal. */
export async function interruptibly<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, dispose } = abortOnSignal();
  try {
    return await abortable(signal, () => action(signal));
  } finally {
    dispose();
  }
}
