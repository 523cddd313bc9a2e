/** The secrets of a step, asked for by the worker that runs it. */
import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { hiddenTexts } from '../engine/history/hidden-texts.js';
import type { WireStep } from '../executor/queue/queue-protocol.js';
import { KEYS } from '../executor/queue/queue-protocol.js';
import type { Secrets } from '../executor/queue/sealed-secrets.js';
import { answerName, askSecrets, secretIds } from '../executor/queue/sealed-secrets.js';
import { QueueError } from '../util/errors.js';
import type { StepReport } from './step-report.js';

/** How often it is looked for an answer. ms */
const LOOK_MS = 30;
/** A build answers at once, if there is one. ms */
const PATIENCE_MS = 20_000;
/** In the place of a secret in what a program prints. */
const GONE = '***';

/** What a step gets, and how its output is shown. */
export interface StepSecrets {
  readonly get: (id: string) => Buffer | undefined;
  /** The text without them: it goes through Redis in clear. */
  readonly hideIn: (text: string) => string;
}

const NONE: StepSecrets = { get: () => undefined, hideIn: (text) => text };

async function waitForAnswer(redis: Redis, name: string, signal: AbortSignal): Promise<string> {
  const begun = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const answer = await redis.getdel(name);
    if (answer !== null) return answer;
    if (performance.now() - begun > PATIENCE_MS)
      throw new QueueError('nobody who waits for the step has sent its secrets');
    await sleep(LOOK_MS);
  }
}

function hiding(secrets: Secrets): StepSecrets {
  const texts = hiddenTexts();
  for (const value of secrets.values()) {
    const text = value.toString();
    texts.add([text, ...text.split('\n')].map((line) => line.trim()));
  }
  return {
    get: (id) => secrets.get(id),
    hideIn: (text) => (texts.isEmpty() ? text : texts.replaceIn(text, GONE)),
  };
}

/**
 * Asks for the secrets of a step, unless it has none.
 * @param own the fleet's private key; undefined: this worker gets none
 * @throws QueueError when it gets no answer
 */
export async function getSecrets(
  redis: Redis,
  worker: string,
  { key, step }: WireStep,
  own: KeyObject | undefined,
  report: StepReport,
  signal: AbortSignal,
): Promise<StepSecrets> {
  if (secretIds(step).length === 0) return NONE;
  if (!own) throw new QueueError('this worker has no key: secrets can not be sealed for it');
  const asked = await askSecrets(key, own);
  await report.say({ type: 'asks', worker, request: asked.request });
  const name = KEYS.secret(answerName(key, asked.request));
  return hiding(await asked.open(await waitForAnswer(redis, name, signal)));
}
