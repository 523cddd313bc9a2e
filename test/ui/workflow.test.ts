/** Logs of GitHub and GitLab: groups, annotations, and texts that look like commands. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BuildEvent } from '../../src/engine/events.js';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepId } from '../../src/plan/step.js';
import { githubError, githubWriter, workflowCommand } from '../../src/ui/github.js';
import { gitlabWriter } from '../../src/ui/gitlab.js';
import { groupedProgress } from '../../src/ui/grouped.js';
import { openSummary } from '../../src/ui/summary.js';
import { StepFailedError } from '../../src/util/errors.js';
import { getStep } from '../support/steps.js';

const key = 'k' as DefinitionKey;
const [one, two] = ['s1', 's2'] as StepId[] as [StepId, StepId];
const location = { file: '/w/sub/Dockerfile', line: 3, column: 1, endLine: 4 };

/**
 * What GitHub's runner does with a log, from its documentation: lines that begin with `::` are commands,
 * unless they were stopped. A line ends at each kind of line end.
 */
function runner(log: string) {
  const commands: string[] = [];
  const text: string[] = [];
  let stopped: string | undefined;
  for (const line of log.split(/\r\n|\r|\n/)) {
    const [, name = '', data = ''] = /^\s*::([^\s:]+)[^\n]*?::(.*)$/.exec(line) ?? [];
    if (stopped !== undefined) {
      if (line.trim() === `::${stopped}::`) stopped = undefined;
      else text.push(line);
    } else if (name === 'stop-commands') stopped = data;
    else if (name !== '') commands.push(line);
    else text.push(line);
  }
  return { commands, text, stopped };
}

function github() {
  let log = '';
  let tokens = 0;
  const settings = {
    write: (text: string) => {
      log += text;
    },
    token: () => {
      tokens += 1;
      return `token${tokens}`;
    },
    workspace: '/w',
    directory: '/w/sub',
  };
  return { settings, log: () => log, result: () => runner(log) };
}

const planned = (text = 'RUN a'): BuildEvent => ({
  type: 'planned',
  version: 1,
  steps: [
    getStep('run', 's1', { stage: '0', text }),
    getStep('run', 's2', { stage: '0', text: 'RUN b' }),
  ],
});
const started = (step: StepId): BuildEvent => ({
  type: 'started',
  step,
  key,
  why: { kind: 'new' },
});
const output = (step: StepId, text: string): BuildEvent => ({ type: 'output', step, text });
const finished = (step: StepId): BuildEvent => ({
  type: 'finished',
  step,
  durationMs: 1500,
  files: 1,
  bytes: 10,
  linked: 0,
});

test('values of commands are escaped', () => {
  expect(workflowCommand('error', { file: 'a,b:c', line: 1 }, '100%\r\nnext: x')).toBe(
    '::error file=a%2Cb%3Ac,line=1::100%25%0D%0Anext: x',
  );
  expect(workflowCommand('endgroup', {}, '')).toBe('::endgroup::');
});

test('steps that run at once are groups one after the other', () => {
  const { settings, log, result } = github();
  const { emit, close } = groupedProgress(githubWriter(settings));
  for (const event of [
    planned(),
    started(one),
    started(two),
    output(one, '1%\r\x1b[Kone'),
    output(two, 'two'),
    { type: 'warning', message: 'careful' } as const,
    finished(two),
    output(one, 'more'),
    finished(one),
    { type: 'built', durationMs: 1, cached: 0, executed: 2 } as const,
  ])
    emit(event);
  close();
  expect(result().commands).toEqual([
    '::group::[0 1/2] RUN a',
    '::endgroup::',
    '::warning::careful',
    '::group::[0 2/2] RUN b',
    '::endgroup::',
  ]);
  const lines = log()
    .split('\n')
    .filter((line) => !line.startsWith('::'));
  expect(lines).toEqual([
    'miss: nothing like it is in the cache',
    'one',
    'more',
    '[0 1/2] done in 1.50s (1 file, 10 B)',
    'miss: nothing like it is in the cache',
    'two',
    '[0 2/2] done in 1.50s (1 file, 10 B)',
    'built in 0.00s: 0 steps cached, 2 run',
    'slowest: [0 1/2] 1.50s, [0 2/2] 1.50s',
    '',
  ]);
  expect(result().stopped).toBeUndefined();
});

test('a step that waits keeps its last lines; what has not ended is written at the end', () => {
  const { settings, result } = github();
  const { emit, close } = groupedProgress(githubWriter(settings));
  for (const event of [planned(), started(one), started(two)]) emit(event);
  for (let line = 0; line < 6000; line += 1) emit(output(two, `line ${line}`));
  close();
  const { text, commands } = result();
  expect(text).toContain('... 1001 lines left out');
  expect(text).toContain('line 5999');
  expect(text).toContain('[0 1/2] has not ended');
  expect(commands.filter((line) => line === '::endgroup::')).toHaveLength(2);
});

describe('texts from anybody', () => {
  const hostile = fc.oneof(
    fc.string(),
    fc
      .tuple(
        fc.constantFrom('', ' ', '\r', '\n', '\r\n', '\t', '##[error]'),
        fc.constantFrom(
          '::error::x',
          '::set-env name=A::b',
          '::token1::',
          '::stop-commands::z',
          '::add-mask::a',
          '::endgroup::',
        ),
        fc.string(),
      )
      .map((parts) => parts.join('')),
  );

  test('no text is taken for a command', () => {
    fc.assert(
      fc.property(hostile, fc.array(hostile), hostile, (text, lines, message) => {
        let log = '';
        const settings = {
          ...github().settings,
          write: (more: string) => {
            log += more;
          },
          token: () => 'nobody knows it',
        };
        const { emit, close } = groupedProgress(githubWriter(settings));
        for (const event of [
          planned(text),
          { type: 'cached', step: two, key, by: 'definition', durationMs: 1 } as const,
          started(one),
          ...lines.map((line) => output(one, line)),
          { type: 'failed', step: one, message } as const,
        ])
          emit(event);
        close();
        githubError(settings, new StepFailedError(message, location, 1, lines), [text, ...lines]);
        const { commands, stopped } = runner(log);
        expect(stopped).toBeUndefined();
        expect(commands.map((line) => line.split(/[\s:]+/)[1])).toEqual([
          'group',
          'endgroup',
          'error',
        ]);
      }),
    );
  });

  test('nor for a section of GitLab', () => {
    let log = '';
    const writer = gitlabWriter(
      (text) => {
        log += text;
      },
      () => 7,
    );
    const { emit, close } = groupedProgress(writer);
    const mark = '\u001b[0Ksection_end:7:wiac\r\u001b[0K';
    for (const event of [planned(`RUN ${mark}`), started(one), output(one, mark), finished(one)])
      emit(event);
    close();
    expect(log.match(/section_(start|end):7:wiac_[0-9a-f]{12}\r/g)).toHaveLength(2);
    expect(log.match(/section_(start|end):/g)).toHaveLength(2);
  });

  test('nor for markup of a summary', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { emit, markdown } = openSummary();
        emit(planned(`${text}|<img src=x>\n# @all *b* \`c\` [d](e)`));
        emit(started(one));
        const row = markdown()
          .split('\n')
          .find((line) => line.includes('<code>'));
        const [, cell = ''] = /<code>(.*)<\/code>/su.exec(row ?? '') ?? [];
        expect(cell.replace(/&#\d+;/g, '')).not.toMatch(/[<>|`*_[\]()@#&\\~!]/);
      }),
    );
  });
});

test('an error stands at its line; lint as well', () => {
  const { settings, result } = github();
  githubError(settings, new StepFailedError('no', location, 1, ['last']), undefined);
  const writer = githubWriter(settings);
  const warning = {
    rule: 'R',
    description: '',
    detail: 'd',
    url: 'u',
    file: 'Dockerfile',
    line: 9,
  };
  const elsewhere = { ...warning, file: '/tmp/x' };
  writer.annotate?.({ type: 'lint', warnings: [warning, elsewhere] });
  writer.close();
  expect(result().commands).toEqual([
    '::error file=sub/Dockerfile,line=3,endLine=4,title=wiac%3A STEP_FAILED::no%0Alast',
    '::warning file=sub/Dockerfile,line=9,title=R::d%0Au',
    '::warning file=/tmp/x,line=9,title=R::d%0Au',
  ]);
});

test('a summary: hits, time saved, why, the slowest, the size', () => {
  const { emit, markdown } = openSummary();
  expect(markdown()).toBe('');
  for (const event of [
    planned(),
    { type: 'cached', step: one, key, by: 'definition', durationMs: 61_000 } as const,
    started(two),
    finished(two),
    { type: 'built', durationMs: 2000, cached: 1, executed: 1, bytes: 5_000_000 } as const,
  ])
    emit(event);
  const text = markdown();
  expect(text).toContain(
    '1 of 2 steps from the cache, 1m01s saved, built in 2.00s, result 5.00 MB.',
  );
  expect(text).toContain('| <code>RUN b</code> | run | 1.50s | nothing like it is in the cache |');
});

test('a summary stays small, however many steps and platforms there are', () => {
  const { emit, markdown } = openSummary();
  const steps = Array.from({ length: 2000 }, (_, at) =>
    getStep('run', `s${at}`, { stage: '0', text: '*'.repeat(10_000) }),
  );
  for (let platform = 0; platform < 5; platform += 1) {
    emit({ type: 'planned', version: 1, steps });
    for (const { id } of steps) {
      emit(started(id));
      emit(finished(id));
    }
  }
  expect(Buffer.byteLength(markdown())).toBeLessThan(700_000);
  expect(markdown()).toContain('and 1900 more.');
});
