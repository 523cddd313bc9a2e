/** docs/events.md and docs/events.schema.json say the same, and that is what the events are. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { BuildEvent } from '../../src/engine/events.js';
import { EVENTS_VERSION } from '../../src/engine/events.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { getStep } from '../support/steps.js';

interface EventSchema {
  readonly title: string;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
}

const SCHEMA = JSON.parse(readFileSync('docs/events.schema.json', 'utf8')) as {
  readonly oneOf: readonly EventSchema[];
};
const TABLE = readFileSync('docs/events.md', 'utf8');
const isValid = new Ajv2020({ allErrors: true }).compile(SCHEMA);

test('each event has the same members in both', () => {
  const listed = [...TABLE.matchAll(/^\| `(\w+)` \| ([^|]*) \|/gm)].map(
    ([, type, members = '']) => [type, members.trim().split(', ').sort()],
  );
  const specified = SCHEMA.oneOf.map(({ title, properties, required }) => [
    title,
    Object.keys(properties)
      .filter((member) => member !== 'type')
      .map((member) => (required.includes(member) ? member : `${member}?`))
      .sort(),
  ]);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(specified));
});

const step = 's1' as StepId;
const key = 'k' as DefinitionKey;
/** One of each type, with all members: the compiler knows when one is missing. */
const SAMPLES: { readonly [T in BuildEvent['type']]: Required<Extract<BuildEvent, { type: T }>> } =
  {
    planned: { type: 'planned', version: EVENTS_VERSION, steps: [getStep('run', 's1')] },
    warning: { type: 'warning', message: '' },
    cached: { type: 'cached', step, key, by: 'content', durationMs: 1.5 },
    waiting: { type: 'waiting', step, pid: 1 },
    started: { type: 'started', step, key, why: { kind: 'layers', entry: key } },
    placed: { type: 'placed', step, worker: 'w1' },
    output: { type: 'output', step, text: '\x1b' },
    unfinished: { type: 'unfinished', step, text: '' },
    finished: {
      ...{ type: 'finished', step, durationMs: 1, files: 1, bytes: 1, linked: 0 },
      cached: true,
    },
    failed: { type: 'failed', step, message: '' },
    stopped: { type: 'stopped', step },
    transfer: {
      ...{ type: 'transfer', id: 't1', what: 'cache export', name: '', done: 1, total: 2 },
      ...{ durationMs: 1, state: 'running' },
    },
    lint: {
      type: 'lint',
      warnings: [{ rule: '', description: '', detail: '', url: '', file: '', line: 1 }],
    },
    built: { type: 'built', durationMs: 1, cached: 1, executed: 1, bytes: 1 },
  };

test.each(Object.entries(SAMPLES))('the schema has %s', (type, event) => {
  // As it is printed.
  const printed = JSON.parse(JSON.stringify(event)) as Record<string, unknown>;
  isValid(printed);
  expect(isValid.errors ?? []).toEqual([]);
  expect(isValid({ ...printed, nosuch: 1 })).toBe(false);
  const { required = [] } = SCHEMA.oneOf.find(({ title }) => title === type) ?? {};
  for (const member of required) {
    const { [member]: _, ...rest } = printed;
    expect(isValid(rest)).toBe(false);
  }
});

test('the schema has all types, and what the command alone prints', () => {
  expect(SCHEMA.oneOf.map(({ title }) => title).sort()).toEqual(
    [...Object.keys(SAMPLES), 'error'].sort(),
  );
});
