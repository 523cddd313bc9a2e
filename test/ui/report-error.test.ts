/** Errors for people. */
import { expect, test } from '@jest/globals';
import { describeError, errorLocation } from '../../src/ui/report-error.js';
import {
  ContextError,
  DockerfileError,
  StepFailedError,
  UsageError,
} from '../../src/util/errors.js';

const location = { file: 'Dockerfile', line: 2, column: 3, endLine: 2 };

test('what is wrong and what to do', () => {
  const error = new UsageError('no such option', { hint: 'see wiac --help' });
  expect(describeError(error, undefined)).toBe('wiac: no such option\nhint: see wiac --help\n');
});

test('file, line and column come first, and the lines around it follow', () => {
  const text = describeError(new DockerfileError('bad', location), ['FROM scratch', 'RUN', 'CMD']);
  expect(text.split('\n')[0]).toBe('wiac: Dockerfile:2:3: bad');
  expect(text).toContain('2 | >>> RUN');
});

test('without the source there is no excerpt', () => {
  expect(describeError(new DockerfileError('bad', location), undefined)).toBe(
    'wiac: Dockerfile:2:3: bad\n',
  );
});

test('what a message quotes does not reach the terminal as control characters', () => {
  const nasty = '\u001b[31m\u009b2J\u202e\rx';
  const error = new DockerfileError(`${nasty}\nmore\t`, location, { hint: nasty });
  const text = describeError(error, ['FROM a', nasty, '']);
  expect(text).not.toMatch(/(?![\n\t])[\p{Cc}\u202e]/u);
  expect(text).toMatch(/^wiac: Dockerfile:2:3: \\x1b\[31m\\x9b2J\\u202e\\rx\nmore\t\n/);
});

test('the last lines of a step that failed', () => {
  const error = new StepFailedError(
    'the step ended with exit code 1',
    location,
    1,
    ['a', '10%\r\x1b[Kb'],
    'h',
  );
  expect(describeError(error, undefined)).toBe(
    'wiac: Dockerfile:2:3: the step ended with exit code 1\nlast lines of its output:\n  | a\n  | b\nhint: h\n',
  );
});

test('passwords in URLs are not printed', () => {
  const text = describeError(new UsageError('https://me:pass@example.org/x'), undefined);
  expect(text).not.toContain('pass');
  expect(text).toContain('example.org/x');
});

test('a message of megabytes is cut', () => {
  const text = describeError(new UsageError('x'.repeat(3_000_000)), undefined);
  expect(text.length).toBeLessThan(2100);
  expect(text).toContain('(3000000 characters)');
});

test('only errors of wiac have a place, and not all of those', () => {
  expect(errorLocation(new ContextError('x', location))).toBe(location);
  expect(errorLocation(new ContextError('x', undefined))).toBe(undefined);
  expect(errorLocation(new UsageError('x'))).toBe(undefined);
  expect(errorLocation(Object.assign(new Error('x'), { location }))).toBe(undefined);
});
