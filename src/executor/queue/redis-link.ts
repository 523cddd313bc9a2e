/** Connections to Redis or Valkey, which are made again when they break. */
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { QueueError, UsageError } from '../../util/errors.js';
import { withoutUser } from '../../util/redact.js';
import { KEYS } from './queue-protocol.js';

/** Who ends waits so long for an answer of a server that may be gone as well. ms */
export const LAST_WORDS_MS = 1000;

/** First answer of the server. ms */
const CONNECT_MS = 5000;
/** A server that is gone does not close its end. ms */
const DISCONNECT_MS = 300;
/** Between two attempts to connect again, at most. ms */
const MOST_PAUSE_MS = 1000;

/** A server that is there. */
export interface RedisLink {
  /** For commands that answer at once. */
  readonly redis: Redis;
  /** A connection of its own, for commands that wait. */
  readonly another: () => Redis;
  readonly close: () => void;
}

/** The address as it may be shown: without user and password. */
export function shownAddress(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** @throws UsageError for what is no address of a Redis server */
export function checkAddress(url: string): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : undefined;
  if (protocol === 'redis:' || protocol === 'rediss:') return;
  throw new UsageError(`--queue ${withoutUser(url)} is no address of a Redis server`, {
    hint: 'write redis://HOST[:PORT]/0, or rediss:// for TLS',
  });
}

/** A queue of BullMQ on the connection that is there: hundreds of queues need no connections of their own. */
export async function openQueue({ redis }: RedisLink, name: string): Promise<Queue> {
  const bullmq = await import('bullmq');
  const queue: Queue = new bullmq.Queue(name, {
    connection: redis,
    prefix: KEYS.queues,
    skipMetasUpdate: true,
  });
  queue.on('error', () => {});
  return queue;
}

/** Removes a queue of BullMQ, which is empty or whose worker is gone. */
export async function dropQueue(link: RedisLink, name: string): Promise<void> {
  const queue = await openQueue(link, name);
  try {
    await queue.obliterate({ force: true });
  } finally {
    await queue.close();
  }
}

/**
 * Connects.
 * @param url redis://[USER:PASSWORD@]HOST[:PORT]/DATABASE, rediss:// with TLS
 * @throws QueueError when the server does not answer, or does not let us in
 */
export async function openRedis(url: string): Promise<RedisLink> {
  checkAddress(url);
  const { Redis } = await import('ioredis');
  let isOpen = false;
  // A server that was never there is told at once; one that goes away is waited for.
  const retryStrategy = (times: number) => (isOpen ? Math.min(times * 50, MOST_PAUSE_MS) : null);
  const opened: Redis[] = [];
  let problem = 'no answer';
  const open = (): Redis => {
    const redis = new Redis(url, {
      lazyConnect: true,
      maxRetriesPerRequest: null,
      retryStrategy,
      disconnectTimeout: DISCONNECT_MS,
    });
    // It connects again by itself; without a listener the process would end.
    redis.on('error', (error: Error) => {
      problem = error.message;
    });
    opened.push(redis);
    return redis;
  };
  const close = () => {
    // One that never was open would wait for its end.
    for (const redis of opened) if (redis.status !== 'end') redis.disconnect();
  };
  const redis = open();
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_resume, refuse) => {
    timer = setTimeout(() => refuse(new Error(problem)), CONNECT_MS);
  });
  const first = (async () => {
    await redis.connect();
    await redis.ping();
    isOpen = true;
  })();
  first.catch(() => {});
  try {
    await Promise.race([first, patience]);
  } catch (cause) {
    close();
    const { message } = cause as Error;
    const why = message === 'Connection is closed.' ? problem : message;
    throw new QueueError(`the queue ${shownAddress(url)} can't be used: ${why}`, {
      cause,
      hint: 'is redis-server running there, and may this user use it?',
    });
  } finally {
    clearTimeout(timer);
  }
  return { redis, another: open, close };
}
