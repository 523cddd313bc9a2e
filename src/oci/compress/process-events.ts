/** Keeps libraries from deciding how this process ends. */

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/**
 * Takes back the handlers that an action adds to the process: what Emscripten puts around
 * WebAssembly adds some when it is first used, which would hide wiac's own way to report a bug.
 */
export function leavingProcessAlone<T>(action: () => T): T {
  const before = EVENTS.map((event) => new Set<unknown>(process.rawListeners(event)));
  try {
    return action();
  } finally {
    for (const [index, event] of EVENTS.entries()) {
      for (const listener of process.rawListeners(event))
        if (!before[index]?.has(listener)) process.off(event, listener as () => void);
    }
  }
}
