/** What runc and crun say when there is no container. */
import { expect, test } from '@jest/globals';
import { loggedOutput, runtimeFailure } from '../../src/executor/local/runtime-log.js';

const line = (msg: string, level = 'error') => JSON.stringify({ level, msg, time: '' });

test.each([
  [
    'runc run failed: unable to start container process: exec: "/x": stat /x: no such file or directory',
    127,
  ],
  [
    'runc run failed: unable to start container process: exec: "x": executable file not found in $PATH',
    127,
  ],
  ['runc run failed: unable to start container process: exec: "/x": permission denied', 126],
  ['executable file `x` not found in $PATH: No such file or directory', 127],
  ['exec container process `/x`: Exec format error', 126],
  ['open mount target `/etc/hosts`: Not a directory', undefined],
  ['mount `/x` to `/y`: No such file or directory', undefined],
])('%s', (message, code) => {
  expect(runtimeFailure(`${line('another', 'warning')}\n${line(message)}\n`)).toEqual({
    message,
    code,
  });
});

test('a log without errors', () => {
  expect(runtimeFailure('')).toBeUndefined();
  expect(
    runtimeFailure(`${line('unable to get oom kill count', 'warning')}\n{"level":"er`),
  ).toBeUndefined();
});

test('what crun logs of a terminal is the output of the program', () => {
  const output = (log: string) => loggedOutput(Buffer.from(log)).toString();
  const warning = `${line('cgroups in hybrid mode', 'warning')}\n`;
  expect(output(`${warning}/dev/pts/0\r\ncontrols\r\n\n`)).toBe('/dev/pts/0\r\ncontrols\r\n');
  const long = '0123456789'.repeat(60);
  const parts = [0, 255, 510].map((at) => `${long.slice(at, at + 255)}\n`);
  expect(output(parts.join(''))).toBe(long);
  expect(output(`{"a": 1}\n\n`)).toBe('{"a": 1}\n');
  expect(output(`${warning}${line('it failed')}\n`)).toBe('');
  expect(output(`${warning}{"level":"er`)).toBe('');
  expect(output('')).toBe('');
});
