/** Threads that are started when there is work for them, as long as they can be had. */
import { availableParallelism } from 'node:os';

export interface ThreadPool<Thread> {
  /** Those that run. */
  readonly all: () => readonly Thread[];
  /** One more; undefined when there are enough, or no more can be had. */
  readonly start: () => Thread | undefined;
  /** Starts none any more. @returns those that still run, which their user ends */
  readonly close: () => readonly Thread[];
}

/**
 * One thread fewer than there are processors: the calling one takes its share of the work.
 * @param most threads at once
 * @param begin starts one, which calls `onEnd` when it has ended. It may throw
 */
export function threadPool<Thread>(
  most: number,
  begin: (onEnd: (thread: Thread) => void) => Thread,
): ThreadPool<Thread> {
  let room = Math.min(availableParallelism() - 1, most);
  let threads: readonly Thread[] = [];
  /** Where one thread could not be had, or ended, the next one would fare no better. */
  const giveUp = (ended?: Thread): void => {
    threads = threads.filter((thread) => thread !== ended);
    room = threads.length;
  };
  return {
    all: () => threads,
    start() {
      if (threads.length >= room) return undefined;
      try {
        const thread = begin(giveUp);
        threads = [...threads, thread];
        return thread;
      } catch {
        giveUp();
        return undefined;
      }
    },
    close() {
      room = 0;
      return threads;
    },
  };
}
