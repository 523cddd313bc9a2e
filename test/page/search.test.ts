import { expect, test } from '@jest/globals';
import { find } from '../../src/page/search.js';
import type { ReportStep } from '../../src/report/report-data.js';

const STEP: ReportStep = {
  id: 's1',
  name: 'app 1/2',
  stage: 'app',
  kind: 'run',
  text: 'RUN make\n  install',
  file: 'Dockerfile',
  line: 1,
  endLine: 2,
  reads: [],
  status: 'ran',
  key: 'abcdef',
  duration: 1,
  inputs: [],
  log: { head: ['Making all'], leftOut: 5, tail: Array(40).fill('make: done') },
  entries: [{ mode: 'f0755', path: 'usr/bin/make', bytes: 1 }],
};

test('steps, files and lines, whatever the case', () => {
  const { hits, counts } = find([STEP], ' MAK');
  expect(counts).toEqual({ step: 1, file: 1, log: 41 });
  expect(hits.map(({ kind }) => kind).slice(0, 3)).toEqual(['step', 'file', 'log']);
  expect(hits.filter(({ kind }) => kind === 'log')).toHaveLength(30);
  expect(hits[2]).toMatchObject({ step: 's1', text: 'Making all', line: 0 });
});

test('a key, a line feed in an instruction, and nothing', () => {
  expect(find([STEP], 'abcd').counts.step).toBe(1);
  expect(find([STEP], 'make   install').counts.step).toBe(1);
  expect(find([STEP], '  ').hits).toEqual([]);
});

test('of a long line the part around the words', () => {
  const long = { ...STEP, log: { head: [`${'x'.repeat(5000)}needle`], leftOut: 0, tail: [] } };
  const [hit] = find([long], 'needle').hits;
  expect(hit?.text).toContain('needle');
  expect(hit?.text.length).toBeLessThan(200);
});
