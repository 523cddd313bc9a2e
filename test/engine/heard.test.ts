/** A listener of events, or a signal, that ends what is carried out. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { BuildEvent } from '../../src/engine/events.js';
import { heard } from '../../src/engine/heard.js';

const EVENT: BuildEvent = { type: 'warning', message: '' };

/** What goes on until it is ended, and then speaks of itself, as a stream does. */
async function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  await delay(60_000, undefined, { signal }).catch(({ message }: Error) => {
    throw new Error(`cannot write: ${message}`);
  });
}

test.each([
  [
    'throws',
    () => {
      throw new Error('listener');
    },
  ],
  ['rejects at once', () => Promise.reject(new Error('listener'))],
  ['rejects later', () => delay(20).then(() => Promise.reject(new Error('listener')))],
])('a listener that %s ends the work', async (_, onEvent) => {
  const work = heard({ onEvent }, async (hearing) => {
    hearing.onEvent?.(EVENT);
    await untilAborted(hearing.signal);
  });
  await expect(work).rejects.toThrow(/^listener$/);
});

test('a listener that rejects its last event is heard, too', async () => {
  const onEvent = () => Promise.reject(new Error('listener'));
  const work = heard({ onEvent }, async (hearing) => hearing.onEvent?.(EVENT));
  await expect(work).rejects.toThrow('listener');
});

test('a listener that waits for something else does not hold up the work', async () => {
  const onEvent = () => new Promise<void>(() => {});
  const work = heard({ onEvent }, async (hearing) => {
    hearing.onEvent?.(EVENT);
    return 'done';
  });
  expect(await work).toBe('done');
});

test("the signal's reason is what is thrown", async () => {
  const controller = new AbortController();
  const work = heard({ signal: controller.signal, onEvent: () => {} }, ({ signal }) =>
    untilAborted(signal),
  );
  controller.abort('enough');
  await expect(work).rejects.toBe('enough');
});

test('also where nobody listens', async () => {
  const controller = new AbortController();
  const work = heard({ signal: controller.signal }, ({ signal }) => untilAborted(signal));
  controller.abort('enough');
  await expect(work).rejects.toBe('enough');
});
