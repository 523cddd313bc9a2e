/** What a worker says of a step while it is at it: into the step's stream. */
import type { Redis } from 'ioredis';
import type { StepMessage } from '../executor/queue/queue-protocol.js';
import { KEPT_S, KEYS, MOST_EVENTS } from '../executor/queue/queue-protocol.js';
import type { DefinitionKey } from '../keys/digest.js';

/** Lines wait so long for others. ms */
const GATHER_MS = 30;
/** Lines of one message. */
const MOST_LINES = 500;
/** Characters of one line; what is longer is cut. */
const MOST_LINE = 1 << 16;

export interface StepReport {
  readonly line: (text: string) => void;
  /** Sends a message behind all lines. */
  readonly say: (message: StepMessage) => Promise<void>;
}

export function openReport(redis: Redis, key: DefinitionKey): StepReport {
  const stream = KEYS.step(key);
  let lines: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const send = async (messages: readonly StepMessage[]): Promise<void> => {
    const commands = redis.multi();
    for (const message of messages)
      commands.xadd(stream, 'MAXLEN', '~', MOST_EVENTS, '*', 'm', JSON.stringify(message));
    await commands.expire(stream, KEPT_S).exec();
  };
  const take = (): StepMessage[] => {
    clearTimeout(timer);
    timer = undefined;
    const taken = lines;
    lines = [];
    return taken.length === 0 ? [] : [{ type: 'output', lines: taken }];
  };
  const flush = (): void => void send(take()).catch(() => {});
  return {
    line(text) {
      lines.push(text.slice(0, MOST_LINE));
      if (lines.length >= MOST_LINES) flush();
      else timer ??= setTimeout(flush, GATHER_MS);
    },
    say: (message) => send([...take(), message]),
  };
}
