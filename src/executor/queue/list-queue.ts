/** What is in a queue: its workers, and what waits for them. */
import type { Redis } from 'ioredis';
import type { Announcement } from './queue-protocol.js';
import { KEYS, queueName } from './queue-protocol.js';
import { listWorkers } from './worker-list.js';

/** A queue as `wiac workers --json` prints it. */
export interface ListedQueue {
  readonly workers: readonly Announcement[];
  /** Workers of other versions, which take no steps of this one. */
  readonly strangers: readonly Pick<Announcement, 'name' | 'protocol' | 'wiac'>[];
  /** Chains that wait for a worker, by platform and label. */
  readonly waiting: readonly {
    readonly platform: string;
    readonly label?: string;
    readonly chains: number;
  }[];
  /** Steps that run, and how many could at the same time. */
  readonly running: number;
  readonly slots: number;
}

/** Platforms and labels that some worker takes steps of, each once. Pure. */
export function classesOf(
  workers: readonly Announcement[],
): readonly { readonly platform: string; readonly label?: string }[] {
  const classes = workers.flatMap(({ platforms, labels }) =>
    platforms.flatMap((platform) => [
      { platform },
      ...labels.map((label) => ({ platform, label })),
    ]),
  );
  const named = new Map(classes.map((one) => [JSON.stringify(one), one]));
  return [...named.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

export async function listQueue(redis: Redis): Promise<ListedQueue> {
  const { own, strangers } = await listWorkers(redis);
  const waiting = await Promise.all(
    classesOf(own).map(async (one) => {
      const { platform, label } = one as { readonly platform: string; readonly label?: string };
      const list = `${KEYS.queues}:${queueName(platform, label)}:wait`;
      return { ...one, chains: await redis.llen(list) };
    }),
  );
  const sum = (numbers: readonly number[]) => numbers.reduce((total, count) => total + count, 0);
  return {
    workers: own,
    strangers,
    waiting,
    running: sum(own.map((worker) => worker.running.length)),
    slots: sum(own.map(({ slots }) => slots)),
  };
}
