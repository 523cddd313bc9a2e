/** What is kept of a build, what is taken out of it, and how builds are named. */
import { describe, expect, test } from '@jest/globals';
import { countTotals } from '../../src/engine/history/build-totals.js';
import { openOutputBudget } from '../../src/engine/history/output-budget.js';
import type {
  BuildHeader,
  BuildId,
  BuildSummary,
  RecordedEvent,
} from '../../src/engine/history/record.js';
import { recordedPlan } from '../../src/engine/history/recorded-plan.js';
import {
  openRowWriter,
  redactCommand,
  soundsSecret,
} from '../../src/engine/history/redact-record.js';
import { parseSelector, passesFilter } from '../../src/engine/history/select-build.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { filterRows, type LogRow, logWriter } from '../../src/ui/build-log.js';
import { getStep } from '../support/steps.js';

const key = 'k' as DefinitionKey;
const id = (name: string) => name as StepId;
const output = (text: string) => ({ type: 'output', step: id('s1'), text, at: 0 }) as const;

test.each([
  ['NPM_TOKEN', true],
  ['GITHUBTOKEN', true],
  ['DB_PASSWORD', true],
  ['AWS_SECRET_ACCESS_KEY', true],
  ['apikey', true],
  ['SSH_KEY', true],
  ['AUTH', true],
  ['VERSION', false],
  ['AUTHOR', false],
  ['KEYBOARD', false],
  ['PUBLIC_KEY', false],
  ['TOKEN_FILE', false],
  ['BYPASS', false],
])('%s sounds secret: %s', (name, expected) => {
  expect(soundsSecret(name)).toBe(expected);
});

test.each([
  ['--build-arg TOKEN=a,b=c .', '--build-arg TOKEN=*** .'],
  ['--build-arg=TOKEN=abc', '--build-arg=TOKEN=***'],
  ['--build-arg VERSION=1 --label auth=x', '--build-arg VERSION=1 --label auth=***'],
  ['--build-arg TOKEN', '--build-arg TOKEN'],
  ['--creds joe:pw --creds=joe:pw', '--creds *** --creds=***'],
  ['--secret id=token,src=/run/token', '--secret id=token,src=/run/token'],
  ['--secret=id=token,env=TOKEN', '--secret=id=token,env=TOKEN'],
  [
    '--cache-to type=s3,bucket=b,secret_access_key=x/y+z,session_token=q,name=n',
    '--cache-to type=s3,bucket=b,secret_access_key=***,session_token=***,name=n',
  ],
  [
    '--cache-to type=s3,"secret_access_key=x,name=y",region=r',
    '--cache-to type=s3,secret_access_key=***,region=r',
  ],
])('the command %s', (command, kept) => {
  expect(redactCommand(command.split(' ')).join(' ')).toBe(kept);
});

describe('rows', () => {
  const { write, hide } = openRowWriter([
    { TOKEN: 'output\nsecond "line"', VERSION: '1.2', PASSWORD: 'abc', KEY: 'npm_a-https://a:b@c' },
  ]);
  const text = (row: Parameters<typeof write>[0]) => JSON.parse(write(row));

  test('have no value of a secret variable, whatever is around it', () => {
    expect(text(output('> output; second "line" 1.2 abc'))).toEqual(output('> ***; *** 1.2 abc'));
    expect(text(output('npm_a-https://a:b@c'))).toEqual(output('***'));
  });

  test('have nothing of a secret that a step was given, from then on', () => {
    const line = 'the pass phrase and the rest';
    expect(text(output(line))).toEqual(output(line));
    hide('pass phrase\n of two lines\n');
    expect(text(output(line))).toEqual(output('the *** and the rest'));
    expect(text(output('of two lines'))).toEqual(output('***'));
  });

  test('have no password of a URL, and no token of a known form', () => {
    const { write: plain } = openRowWriter([]);
    const kept = (line: string) => JSON.parse(plain(output(line))).text;
    expect(kept('GET https://joe:p@ss@host/x?y')).toBe('GET https://host/x?y');
    expect(kept(`ghp_${'a1'.repeat(18)} AKIAIOSFODNN7EXAMPLE`)).toBe('*** ***');
    expect(kept('eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK')).toBe('***');
    expect(kept('what a step prints: password=12')).toBe('what a step prints: password=12');
  });

  test('name variables of instructions and of what they are compared with, not their values', () => {
    const [step] = recordedPlan([getStep('run', 's1', { text: 'ENV DB_PASSWORD="a b" A=1' })]);
    expect(step && text({ type: 'planned', version: 1, steps: [step], at: 0 }).steps[0].text).toBe(
      'ENV DB_PASSWORD=*** A=1',
    );
    const difference = (name: string) =>
      ({ kind: 'operand', name, before: 'former', after: 'newer' }) as const;
    const why = (name: string) =>
      ({ kind: 'different', entry: key, difference: difference(name) }) as const;
    const started = (name: string) =>
      ({ type: 'started', step: id('s1'), key, why: why(name), at: 0 }) as const;
    const { write: plain } = openRowWriter([]);
    expect(JSON.parse(plain(started('env TOKEN'))).why.difference).toMatchObject({
      before: '***',
      after: '***',
    });
    expect(JSON.parse(plain(started('env A')))).toEqual(started('env A'));
  });

  test('keep a variable that is another variable', () => {
    const [step] = recordedPlan([getStep('run', 's1', { text: 'RUN TOKEN=$(cat /x) make' })]);
    expect(step && text({ type: 'planned', version: 1, steps: [step], at: 0 }).steps[0].text).toBe(
      'RUN TOKEN=$(cat /x) make',
    );
  });
});

describe('the output of steps', () => {
  // A line of two characters counts as 50.
  const limits = { stepBytes: 100, buildBytes: 250, lastBytes: 50 };
  const line = (at: number, text: string) => ({ at, text });

  test('a long one has its beginning and its end', () => {
    const budget = openOutputBudget(limits);
    const written = ['aa', 'bb', 'cc', 'd', 'ee', 'ff'].filter((text, at) =>
      budget.add(id('s1'), line(at, text)),
    );
    // Once something waits, all that follows does: the order is that of the step.
    expect(written).toEqual(['aa', 'bb']);
    expect(budget.end(id('s1'))).toEqual({
      cut: { type: 'cut', at: 3, step: 's1', lines: 2, bytes: 3 },
      lines: [line(4, 'ee'), line(5, 'ff')],
    });
    expect(budget.end(id('s1'))).toEqual({ cut: undefined, lines: [] });
  });

  test('a short one is whole', () => {
    const budget = openOutputBudget(limits);
    expect(['aa', 'bb'].map((text, at) => budget.add(id('s1'), line(at, text)))).toEqual([
      true,
      true,
    ]);
    expect(budget.open()).toEqual(['s1']);
    expect(budget.end(id('s1'))).toEqual({ cut: undefined, lines: [] });
  });

  test('what is beyond the bound of the build has its last lines', () => {
    const budget = openOutputBudget(limits);
    for (const step of ['s1', 's2', 's3'])
      for (let at = 0; at < 9; at += 1) budget.add(id(step), line(at, 'aa'));
    // Five lines were written at once, and each step has its last one.
    const left = ['s1', 's2', 's3'].map((step) => {
      const { cut, lines } = budget.end(id(step));
      return [cut?.lines, lines];
    });
    expect(left).toEqual([6, 6, 7].map((lines) => [lines, [line(8, 'aa')]]));
  });

  test('a step that prints for ever takes no memory for it', () => {
    const budget = openOutputBudget(limits);
    for (let at = 0; at < 100_000; at += 1) budget.add(id('s1'), line(at, 'aa'));
    expect(budget.end(id('s1'))).toMatchObject({ cut: { lines: 99_996 } });
  });
});

const steps = recordedPlan([
  getStep('source', 's1', { text: 'FROM scratch', stage: 'app' }),
  getStep('run', 's2', { text: 'RUN make', stage: 'app' }),
  getStep('run', 's3', { text: 'RUN test', stage: 'app' }),
]);

const planned = { type: 'planned', version: 1, steps, at: 0 } as const;
const cached = {
  type: 'cached',
  step: id('s2'),
  key,
  by: 'definition',
  durationMs: 5.4,
  at: 1,
} as const;
const failed = { type: 'failed', step: id('s3'), message: 'exit code 3', at: 7 } as const;
const said = (step: string, text: string) =>
  ({ type: 'output', step: id(step), text, at: 5 }) as const;

test('totals count what makes a layer', () => {
  const { add, totals } = countTotals();
  const events: RecordedEvent[] = [planned, { ...cached, step: id('s1') }, cached, failed];
  const made = { durationMs: 9, files: 1, bytes: 1, linked: 0, at: 6 };
  // A worker had it.
  events.push({ type: 'finished', step: id('s2'), ...made, cached: true });
  events.forEach(add);
  expect(totals()).toEqual({ cached: 2, executed: 1, savedMs: 5, failed: ['[app 3/3]'] });
});

describe('a log', () => {
  const rows: LogRow[] = [
    planned,
    cached,
    { type: 'started', step: id('s3'), key, at: 2 },
    said('s3', '\x1b[1mone'),
    { type: 'cut', step: id('s3'), lines: 12, bytes: 3400, at: 6 },
    failed,
    { type: 'error', code: 'STEP_FAILED', message: 'exit code 3', lastLines: ['one'], at: 8 },
  ];
  function print(selection: Parameters<typeof filterRows>[0], timestamps = false): string {
    let text = '';
    const write = logWriter(
      (more) => {
        text += more;
      },
      0,
      timestamps,
    );
    const { pass } = filterRows(selection);
    rows.flatMap(pass).forEach(write);
    return text;
  }

  const END = 'wiac: exit code 3\nlast lines of its output:\n  | one\n';
  const FAILED = `[app 3/3] RUN test\n[app 3/3] 0.003 | one\n[app 3/3] ... 12 lines (3.40 kB) not kept ...\n${END}`;

  test('is what the build printed, and drives no terminal', () => {
    expect(print({ failed: false })).toBe(`[app 2/3] CACHED RUN make\n${FAILED}`);
  });

  test('of a step, and of those that failed', () => {
    const make = ({ text }: { text: string }) => text === 'RUN make';
    expect(print({ step: make, failed: false })).toBe('[app 2/3] CACHED RUN make\n');
    expect(print({ failed: true })).toBe(FAILED);
    expect(print({ step: make, failed: true })).toBe('');
  });

  test('has the time of each line', () => {
    const lines = print({ failed: false }, true).split('\n');
    expect(lines[0]).toBe('1970-01-01T00:00:00.001Z [app 2/3] CACHED RUN make');
    expect(lines.at(-2)).toBe('1970-01-01T00:00:00.008Z   | one');
    expect(lines.at(-1)).toBe('');
  });
});

describe('which build', () => {
  const header = {
    type: 'build',
    version: 1,
    id: 'abcd2345' as BuildId,
    started: 5,
    process: '',
    wiac: '',
    command: [],
    context: '/src/app',
    dockerfile: '/src/docker/Dockerfile',
  } satisfies BuildHeader;
  const build: BuildSummary = {
    header,
    status: 'failed',
    result: undefined,
    totals: countTotals().totals(),
    durationMs: 1,
  };

  test.each([
    ['last', true, 0],
    ['last~', true, 1],
    ['failed~3', true, 3],
    ['abc', true, 0],
    ['abcd2345~2', true, 2],
    ['b', false, 0],
    ['.', true, 0],
    ['../docker', true, 0],
    ['/src/app~1', true, 1],
    ['/src', false, 0],
  ])('%s', (text, matches, back) => {
    const selector = parseSelector(text, '/src/app');
    expect([selector.matches(build), selector.back]).toEqual([matches, back]);
  });

  test.each(['x1', 'LAST', '~1', ''])('"%s" names none', (text) => {
    expect(() => parseSelector(text, '/')).toThrow(/names no build/);
  });

  test.each([
    [{}, true],
    [{ project: '/src/app', statuses: ['failed' as const], since: 5 }, true],
    [{ statuses: ['ok' as const] }, false],
    [{ since: 6 }, false],
    [{ target: 'x' }, false],
    [{ image: 'x' }, false],
    [{ project: '/' }, false],
  ])('filter %j', (filter, expected) => {
    expect(passesFilter(build, filter)).toBe(expected);
  });
});
