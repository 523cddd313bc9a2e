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
export const MOST_LINE = 1 << 16;
/** Characters of the lines of one message, about. */
const MOST_CHARS = 1 << 18;
/** Bytes of one step's output that Redis keeps: everybody's steps share its memory. */
const KEPT_BYTES = 64 << 20;
/** Bytes that wait for a server that is away, or slower than the program. What comes then is left out. */
const WAITING_BYTES = 32 << 20;

export interface StepReport {
  readonly line: (text: string) => void;
  /** Sends a message behind all lines. */
  readonly say: (message: StepMessage) => Promise<void>;
}

export function openReport(redis: Redis, key: DefinitionKey): StepReport {
  const stream = KEYS.step(key);
  let lines: string[] = [];
  let chars = 0;
  let timer: NodeJS.Timeout | undefined;
  /** Bytes of the messages of this report that the stream has. */
  let kept: number[] = [];
  let keptBytes = 0;
  let waitingBytes = 0;
  let before = 0;
  /** Lines behind those that wait to be sent. */
  let leftOut = 0;

  /** @returns how many entries the stream may have; undefined: it need not be made shorter */
  const makeRoom = (sizes: readonly number[]): number | undefined => {
    kept.push(...sizes);
    keptBytes += sizes.reduce((sum, size) => sum + size, 0);
    if (keptBytes <= KEPT_BYTES) return undefined;
    // Half of it at once, so that not every message makes room.
    let first = 0;
    for (; keptBytes > KEPT_BYTES / 2 && first < kept.length - 1; first += 1)
      keptBytes -= kept[first] ?? 0;
    kept = kept.slice(first);
    return kept.length;
  };
  const send = async (messages: readonly StepMessage[]): Promise<void> => {
    if (messages.length === 0) return;
    const texts = messages.map((message) => JSON.stringify(message));
    const sizes = texts.map((text) => Buffer.byteLength(text));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const commands = redis.multi();
    for (const text of texts) commands.xadd(stream, 'MAXLEN', '~', MOST_EVENTS, '*', 'm', text);
    const most = makeRoom(sizes);
    if (most !== undefined) commands.xtrim(stream, 'MAXLEN', most);
    waitingBytes += bytes;
    try {
      await commands.expire(stream, KEPT_S).exec();
    } finally {
      waitingBytes -= bytes;
    }
  };
  const take = (): StepMessage[] => {
    clearTimeout(timer);
    timer = undefined;
    const [taken, first] = [lines, before];
    before += taken.length + leftOut;
    leftOut = 0;
    lines = [];
    chars = 0;
    return taken.length === 0 ? [] : [{ type: 'output', before: first, lines: taken }];
  };
  const flush = (): void => void send(take()).catch(() => {});
  return {
    line(text) {
      if (leftOut > 0) flush();
      if (waitingBytes > WAITING_BYTES) {
        leftOut += 1;
        return;
      }
      const line = text.slice(0, MOST_LINE);
      lines.push(line);
      chars += line.length;
      if (lines.length >= MOST_LINES || chars >= MOST_CHARS) flush();
      else timer ??= setTimeout(flush, GATHER_MS);
    },
    say: (message) => send([...take(), message]),
  };
}
