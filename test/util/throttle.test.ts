import { expect, jest, test } from '@jest/globals';
import { throttle } from '../../src/util/throttle.js';

test('the last value of each pause is passed on, and none that was dropped', () => {
  jest.useFakeTimers();
  try {
    const passed: number[] = [];
    const { hear, drop } = throttle(100, (value: number) => passed.push(value));
    for (const value of [1, 2, 3]) hear(value);
    jest.advanceTimersByTime(99);
    expect(passed).toEqual([]);
    jest.advanceTimersByTime(1);
    hear(4);
    jest.advanceTimersByTime(100);
    hear(5);
    drop();
    jest.advanceTimersByTime(1000);
    expect(passed).toEqual([3, 4]);
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});
