import { expect, test } from '@jest/globals';
import { drawGraph, neighbour } from '../../src/page/graph-layout.js';
import { arrowsOfPath } from '../../src/page/path-arrows.js';
import type { ReportStep } from '../../src/report/report-data.js';

const step = (id: string, parent?: string, reads: string[] = []): ReportStep => ({
  id,
  name: id,
  stage: '',
  kind: 'run',
  text: id,
  file: '',
  line: 1,
  endLine: 1,
  ...(parent === undefined ? {} : { parent }),
  reads,
  status: 'ran',
  duration: 0,
  inputs: [],
});

const STEPS = [
  step('base'),
  step('left', 'base'),
  step('right', 'base'),
  step('join', 'left', ['right']),
];

test('steps stand below what they need, and beside each other', () => {
  const { places, arrows, width, height } = drawGraph(STEPS);
  const at = (id: string) => places.get(id) ?? { x: Number.NaN, y: Number.NaN };
  expect(at('base').y).toBeLessThan(at('left').y);
  expect(at('left').y).toBe(at('right').y);
  expect(at('left').x).not.toBe(at('right').x);
  expect(at('right').y).toBeLessThan(at('join').y);
  expect(arrows.map(({ from, to, reads }) => `${from} ${to} ${reads}`)).toEqual([
    'base left false',
    'base right false',
    'left join false',
    'right join true',
  ]);
  for (const { x, y, width: wide, height: high } of places.values()) {
    expect(x - wide / 2).toBeGreaterThanOrEqual(0);
    expect(x + wide / 2).toBeLessThanOrEqual(width);
    expect(y + high / 2).toBeLessThanOrEqual(height);
  }
  expect(arrows.every(({ path }) => /^M[\d. ]+([QL][\d. ]+)+$/.test(path))).toBe(true);
});

test('arrow keys go along the arrows, and to the side', () => {
  const drawing = drawGraph(STEPS);
  const [first, second] = ['left', 'right'].sort(
    (a, b) => (drawing.places.get(a)?.x ?? 0) - (drawing.places.get(b)?.x ?? 0),
  );
  expect(neighbour(drawing, 'left', 'ArrowUp')).toBe('base');
  expect(neighbour(drawing, 'right', 'ArrowDown')).toBe('join');
  expect(neighbour(drawing, first ?? '', 'ArrowRight')).toBe(second);
  expect(neighbour(drawing, second ?? '', 'ArrowLeft')).toBe(first);
  expect(neighbour(drawing, 'base', 'ArrowUp')).toBe(undefined);
});

test('a plan of which a step is missing is drawn all the same', () => {
  expect(drawGraph([step('a', 'gone', ['lost'])]).arrows).toEqual([]);
  expect(drawGraph([]).places.size).toBe(0);
});

test("the critical path's arrows lead through steps that took no time", () => {
  const part = (id: string) => ({ step: id, start: 0, end: 1, wait: 0, saves: 0 });
  const steps = new Map(STEPS.map((each) => [each.id, each]));
  const path = { parts: [part('base'), part('join')], busy: 2, floor: 2, work: 2 };
  expect([...arrowsOfPath(path, steps)]).toEqual(['base left', 'left join']);
});
