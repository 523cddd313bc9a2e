/** What has to be done also where the process ends at once: at a second signal, which nothing waits for. */

const pending = new Set<() => void>();

function runAll(): void {
  for (const action of pending) {
    try {
      action();
    } catch {
      // The others still have theirs to do.
    }
  }
}

/** @param action does its work before it returns @returns call it when the action is not needed any more */
export function atExit(action: () => void): () => void {
  // One listener for all: many would look like a leak.
  if (pending.size === 0) process.on('exit', runAll);
  pending.add(action);
  return () => {
    pending.delete(action);
    if (pending.size === 0) process.off('exit', runAll);
  };
}
