/** Work that is stopped from within and from outside. */
import { expect, test } from '@jest/globals';
import { stoppable } from '../../src/util/stoppable.js';

test('the first reason counts, and the signal outside hears of none', async () => {
  const outside = new AbortController();
  await stoppable(outside.signal, async (signal, stop) => {
    expect(signal.aborted).toBe(false);
    stop('first');
    stop('second');
    outside.abort('later');
    expect([signal.aborted, signal.reason]).toEqual([true, 'first']);
  });
  expect(outside.signal.reason).toBe('later');
});

test.each(['before', 'meanwhile'])('stopped from outside %s', async (when) => {
  const outside = new AbortController();
  if (when === 'before') outside.abort('outside');
  await stoppable(outside.signal, async (signal) => {
    if (when === 'meanwhile') outside.abort('outside');
    expect([signal.aborted, signal.reason]).toEqual([true, 'outside']);
  });
});

test('what ended hears of nothing', async () => {
  const outside = new AbortController();
  const ended = await stoppable(outside.signal, async (signal) => ({ signal }));
  const failure = new Error('failed');
  const failing = stoppable(outside.signal, () => Promise.reject(failure));
  await expect(failing).rejects.toBe(failure);
  outside.abort();
  expect(ended.signal.aborted).toBe(false);
});
