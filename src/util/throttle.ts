/** What happens often, told seldom. */

/** Hears values, and passes the last one on from time to time. */
export interface Throttle<T> {
  readonly hear: (value: T) => void;
  /** Forgets what was heard and not yet passed on. */
  readonly drop: () => void;
}

/** @param pauseMs between two values that are passed on; the first one waits as well */
export function throttle<T>(pauseMs: number, pass: (value: T) => void): Throttle<T> {
  let last: { readonly value: T } | undefined;
  let timer: NodeJS.Timeout | undefined;
  const passLast = (): void => {
    timer = undefined;
    if (last) pass(last.value);
    last = undefined;
  };
  return {
    hear(value) {
      last = { value };
      timer ??= setTimeout(passLast, pauseMs).unref();
    },
    drop() {
      last = undefined;
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
