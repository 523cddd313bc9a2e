import { expect, test } from '@jest/globals';
import type { RecordedEvent, RecordedStep } from '../../src/engine/history/record.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { openCollection } from '../../src/report/collect-events.js';
import { makeReport } from '../../src/report/make-report.js';

const id = (name: string) => name as StepId;
const key = 'k' as DefinitionKey;

const step = (name: string, kind: RecordedStep['kind'], parent?: string): RecordedStep => ({
  id: id(name),
  name: `[app ${name}]`,
  kind,
  parent: parent === undefined ? undefined : id(parent),
  reads: [],
  text: `RUN ${name}`,
  stage: 'app',
  platform: 'linux/amd64',
  location: { file: 'Dockerfile', line: 2, column: 1, endLine: 2 },
});

const PLAN = [
  step('s1', 'source'),
  step('s2', 'run', 's1'),
  step('s3', 'run', 's2'),
  step('s4', 'meta', 's3'),
];

/** Events, ten ms after each other. */
function report(...events: RecordedEvent[]) {
  const collection = openCollection();
  for (const [index, event] of events.entries()) collection.add({ ...event, at: index * 10 });
  return makeReport(collection, {
    header: {
      wiac: '1',
      started: 5,
      command: ['build', '.'],
      context: '/c',
      dockerfile: '/c/Dockerfile',
    },
    exitCode: 0,
    names: ['app'],
    layers: [],
    past: [],
    redact: (_, value) => value,
  });
}

const planned: RecordedEvent = { type: 'planned', version: 1, steps: PLAN };
const output = (text: string): RecordedEvent => ({ type: 'output', step: id('s3'), text });

test('steps get what their events say', () => {
  const { builds } = report(
    {
      type: 'transfer',
      id: 't',
      what: 'context',
      name: 'c',
      done: 5,
      durationMs: 8,
      state: 'done',
    },
    planned,
    { type: 'cached', step: id('s2'), key, by: 'content', durationMs: 700 },
    { type: 'started', step: id('s3'), key, why: { kind: 'new' } },
    output('hello'),
    { type: 'finished', step: id('s3'), durationMs: 20, files: 3, bytes: 9, linked: 0 },
    { type: 'built', durationMs: 60, cached: 1, executed: 1, bytes: 42 },
  );
  const [build] = builds;
  expect(build?.steps.map(({ id: of, name, status }) => [of, name, status])).toEqual([
    ['s1', 'app s1', 'none'],
    ['s2', 'app s2', 'cached'],
    ['s3', 'app s3', 'ran'],
    ['s4', 'app s4', 'none'],
  ]);
  expect(build).toMatchObject({ ran: 1, cached: 1, saved: 700, duration: 60, bytes: 42 });
  expect(build?.steps[2]).toMatchObject({
    why: 'nothing like it is in the cache',
    start: 38,
    end: 58,
    duration: 20,
    files: 3,
    log: { head: ['hello'], leftOut: 0, tail: [] },
  });
  expect(build?.path.parts.map((part) => part.step)).toEqual(['s3']);
  expect(build?.transfers).toEqual([
    { what: 'context', name: 'c', bytes: 5, start: 0, end: 8, failed: false },
  ]);
});

test('a build that failed has its error, and the steps that nobody came to', () => {
  const data = report(
    planned,
    { type: 'started', step: id('s2'), key },
    { type: 'failed', step: id('s2'), message: 'it ended with 3' },
    { type: 'error', code: 'STEP_FAILED', message: 'it ended with 3', location: PLAN[1]?.location },
  );
  expect(data.error).toEqual({
    code: 'STEP_FAILED',
    message: 'it ended with 3',
    place: 'Dockerfile:2',
  });
  expect(data.builds[0]?.steps.map(({ status }) => status)).toEqual([
    'none',
    'failed',
    'unreached',
    'none',
  ]);
  expect(data.builds[0]?.steps[1]).toMatchObject({ message: 'it ended with 3', duration: 10 });
});

test('an error before there is a plan', () => {
  const { builds, error } = report({ type: 'error', code: 'DOCKERFILE', message: 'no FROM' });
  expect(builds).toEqual([]);
  expect(error?.message).toBe('no FROM');
});

test('of a long output the beginning and the end are kept, and how much is left out', () => {
  const lines = Array.from({ length: 5000 }, (_, index) => output(String(index)));
  const { builds } = report(planned, { type: 'started', step: id('s3'), key }, ...lines, {
    type: 'cut',
    step: id('s3'),
    lines: 7,
    bytes: 70,
  });
  const log = builds[0]?.steps[2]?.log;
  expect(log?.head.slice(0, 2)).toEqual(['0', '1']);
  expect(log?.tail.slice(-2)).toEqual(['4998', '4999']);
  const kept = (log?.head.length ?? 0) + (log?.tail.length ?? 0);
  expect(kept).toBe(2000);
  expect(log?.leftOut).toBe(5007 - kept);
  // The tail has no hole in it.
  expect(log?.tail.map(Number)).toEqual(log?.tail.map((_, index) => 3500 + index));
});

test('what drives a terminal, or turns a line around, is not in it', () => {
  const { builds } = report(planned, output('\u001b[31mred\u001b[0m 10%\r100% \u202egnp.exe'));
  expect(builds[0]?.steps[2]?.log?.head).toEqual(['100% \\u202egnp.exe']);
});

test('a build that goes on: steps that run, with the end of their output', () => {
  const collection = openCollection();
  const started: RecordedEvent = { type: 'started', step: id('s2'), key };
  for (const event of [planned, started, { ...started, step: id('s3') }])
    collection.add({ ...event, at: 10 });
  collection.add({
    type: 'finished',
    step: id('s2'),
    durationMs: 20,
    files: 0,
    bytes: 0,
    linked: 0,
    at: 30,
  });
  for (let line = 0; line < 500; line += 1) collection.add({ ...output(`line ${line}`), at: 40 });
  collection.reach(100);
  const parts = {
    header: { wiac: '1', started: 5, command: [], context: '/c', dockerfile: '/c/Dockerfile' },
    names: [],
    layers: [],
    past: [],
    redact: (_: string, value: string) => value,
  };
  const running = makeReport(collection, { ...parts, state: 'running' });
  expect(running.exitCode).toBeUndefined();
  const [, done, goesOn, next] = running.builds[0]?.steps ?? [];
  expect(done).toMatchObject({ status: 'ran', end: 20 });
  expect(goesOn).toMatchObject({ status: 'running', start: 0, end: 90, duration: 90 });
  expect(goesOn?.log?.head).toEqual([]);
  expect(goesOn?.log?.leftOut).toBe(300);
  expect(goesOn?.log?.tail.at(-1)).toBe('line 499');
  expect(next?.status).toBe('none');
  const killed = makeReport(collection, { ...parts, state: 'killed' });
  expect(killed.builds[0]?.steps[2]).toMatchObject({ status: 'stopped' });
  expect(killed.builds[0]?.steps[2]?.log?.head[0]).toBe('line 0');
});
