import { expect, test } from '@jest/globals';
import { findCriticalPath, type TimedStep } from '../../src/report/critical-path.js';

/** A step that ran from one moment to another; without them one that took no time. */
const step = (id: string, needs: string, start?: number, end?: number): TimedStep => ({
  id,
  needs: needs === '' ? [] : needs.split(' '),
  ran: start === undefined || end === undefined ? undefined : { start, end },
});

test('it goes back from the step that ended last', () => {
  const { parts, busy, floor, work } = findCriticalPath([
    step('base', '', 0, 10),
    step('slow', 'base', 12, 112),
    step('fast', 'base', 10, 40),
    step('join', 'slow fast', 115, 120),
  ]);
  expect(parts).toEqual([
    { step: 'base', start: 0, end: 10, wait: 0, saves: 10 },
    { step: 'slow', start: 12, end: 112, wait: 2, saves: 70 },
    { step: 'join', start: 115, end: 120, wait: 3, saves: 5 },
  ]);
  expect({ busy, floor, work }).toEqual({ busy: 115, floor: 115, work: 145 });
});

test('it leads through steps that were cached or make no layer', () => {
  const { parts } = findCriticalPath([
    step('a', '', 0, 10),
    step('env', 'a'),
    step('cached', 'env'),
    step('b', 'cached', 10, 20),
  ]);
  expect(parts.map((part) => part.step)).toEqual(['a', 'b']);
});

test('slack is what a step could take longer', () => {
  const { slack } = findCriticalPath([
    step('a', '', 0, 10),
    step('b', 'a', 10, 110),
    step('c', 'a', 10, 30),
    step('d', 'c', 30, 40),
    step('e', 'b d', 110, 120),
  ]);
  expect(Object.fromEntries(slack)).toEqual({ a: 0, b: 0, c: 70, d: 70, e: 0 });
});

test('steps that had to wait for a place are no longer than they are', () => {
  // Both could have run at once; one CPU made them follow each other.
  const { parts, busy, floor } = findCriticalPath([step('a', '', 0, 50), step('b', '', 50, 100)]);
  expect(parts).toEqual([{ step: 'b', start: 50, end: 100, wait: 50, saves: 0 }]);
  expect({ busy, floor }).toEqual({ busy: 50, floor: 50 });
});

test('nothing ran', () => {
  const { parts, busy, floor, work } = findCriticalPath([step('a', ''), step('b', 'a')]);
  expect({ parts, busy, floor, work }).toEqual({ parts: [], busy: 0, floor: 0, work: 0 });
});
