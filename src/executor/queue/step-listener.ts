/** Follows the streams of many steps with one connection. */
import type { Redis } from 'ioredis';
import type { DefinitionKey } from '../../keys/digest.js';
import { parseMessage } from './parse-queue.js';
import type { StepMessage } from './queue-protocol.js';
import { KEYS } from './queue-protocol.js';

/** Messages of one answer, of each stream. */
const COUNT = 64;
/** How long one question waits for an answer; a connection that broke is noticed then. ms */
const BLOCK_MS = 5000;
/** After an error. ms */
const PAUSE_MS = 200;
/** What is left of a coordinator's wake key. Seconds. */
const WAKE_S = 600;

/** Streams answer with ids and fields. */
type Entry = readonly [id: string, fields: readonly string[]];

/** A stream's message with its id. */
export interface Heard {
  readonly id: string;
  readonly message: StepMessage;
}

/** @throws QueueError for an entry that is none of ours */
export function readEntry([id, fields]: Entry): Heard {
  return { id, message: parseMessage(fields[1] ?? '') };
}

/** Who hears a step's messages. */
interface Ear {
  from: string;
  readonly hear: (heard: Heard) => void;
  readonly fail: (error: unknown) => void;
}

export interface StepListener {
  /**
   * Hears what comes after a message, until it is told to stop.
   * @param from id of that message; `0`: from the beginning
   * @param fail told of a message that can't be understood
   */
  readonly listen: (
    key: DefinitionKey,
    from: string,
    hear: (heard: Heard) => void,
    fail: (error: unknown) => void,
  ) => () => void;
  readonly close: () => void;
}

/**
 * @param own name of this listener
 * @param redis for short commands
 * @param waiting a connection that nothing else uses
 */
export function openListener(own: string, redis: Redis, waiting: Redis): StepListener {
  const ears = new Map<string, Ear>();
  const wakeKey = KEYS.wake(own);
  let wakeFrom = '0';
  let closed = false;
  let running: Promise<void> | undefined;

  const deliver = (stream: string, entries: readonly Entry[]): void => {
    const ear = ears.get(stream);
    for (const entry of entries) {
      if (stream === wakeKey) wakeFrom = entry[0];
      else if (ear && ears.get(stream) === ear) {
        ear.from = entry[0];
        try {
          ear.hear(readEntry(entry));
        } catch (error) {
          ear.fail(error);
        }
      }
    }
  };
  const ask = async (): Promise<void> => {
    const names = [wakeKey, ...ears.keys()];
    const ids = [wakeFrom, ...[...ears.values()].map(({ from }) => from)];
    const answer = await waiting.xread(
      'COUNT',
      COUNT,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      ...names,
      ...ids,
    );
    for (const [stream, entries] of (answer ?? []) as [string, Entry[]][]) deliver(stream, entries);
  };
  const run = async (): Promise<void> => {
    while (!closed && ears.size > 0) {
      try {
        await ask();
      } catch {
        // The connection is made again by itself.
        if (!closed) await new Promise((resume) => setTimeout(resume, PAUSE_MS));
      }
    }
    running = undefined;
  };
  const wake = async (): Promise<void> => {
    await redis.pipeline().xadd(wakeKey, 'MAXLEN', 1, '*', 'm', '').expire(wakeKey, WAKE_S).exec();
  };
  return {
    listen(key, from, hear, fail) {
      const stream = KEYS.step(key);
      ears.set(stream, { from, hear, fail });
      if (running) void wake().catch(() => {});
      else running = run();
      return () => void ears.delete(stream);
    },
    close() {
      closed = true;
      void redis.del(wakeKey).catch(() => {});
    },
  };
}
