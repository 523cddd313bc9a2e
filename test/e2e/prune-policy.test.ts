/** What a config file says of the cache's size: by `wiac cache prune` without options, and behind a build. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { age, QUIET, texts } from '../support/prune.js';
import { warmMachines } from '../support/warm-command.js';
import type { Machine } from '../support/wiac.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const config = (text: string): Record<string, string> => {
  const directory = tempDir();
  mkdirSync(join(directory, 'wiac'));
  writeFileSync(join(directory, 'wiac/config.json'), text);
  return { XDG_CONFIG_HOME: directory };
};
const build = (made: Machine, line: string, env: Record<string, string>) =>
  made.wiac(['build', '-q', context({ Dockerfile: dockerfile(line) })], { env });

test('without options prune does what the config file says', async () => {
  const made = machine();
  await build(made, 'RUN echo one', {});
  const env = config('{"prune": {"keepBytes": 0, "auto": false}}');
  await build(made, 'RUN echo two', env);
  expect(await texts(made)).toHaveLength(3);
  const { stdout } = await made.wiac(['cache', 'prune'], { env });
  expect(stdout).toMatch(/^KIND +ID +USED +FREES +WHAT\n(entry .*\n){3}freed 2\.\d+ MB\n$/);
});

test('a build that leaves too much prunes: what is old and worth least, never its own', async () => {
  const made = machine();
  await build(made, 'RUN echo old > /old', QUIET);
  await build(made, 'RUN echo young > /young', QUIET);
  await age(made, 1, (text) => text.includes('old'));
  const env = config('{"prune": {"keepBytes": "2M"}}');
  expect(await build(made, 'RUN echo own > /own', env)).toMatchObject({
    exitCode: 0,
    stderr: '',
  });
  expect(await texts(made)).toEqual([
    'COPY bin /bin',
    'RUN echo own > /own',
    'RUN echo young > /young',
  ]);
});

test('a cached build, and one below the limit, prune nothing', async () => {
  const made = machine();
  await build(made, 'RUN echo old > /old', QUIET);
  await age(made, 1, () => true);
  await build(made, 'RUN echo own > /own', config('{"prune": {"keepBytes": "3M"}}'));
  expect(await texts(made)).toHaveLength(3);
  await age(made, 1, () => true);
  await build(made, 'RUN echo own > /own', config('{"prune": {"keepBytes": 1}}'));
  expect(await texts(made)).toHaveLength(3);
});

test('a config that is wrong: prune and build say where and what, before they do anything', async () => {
  const made = machine();
  const env = config('{"prune": {"keepBites": 1}}');
  const { exitCode, stderr } = await made.wiac(['cache', 'prune'], { env });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('wiac/config.json is wrong');
  expect(stderr).toContain('did you mean keepBytes?');
  const built = await build(made, 'RUN echo one', env);
  expect(built.exitCode).toBe(2);
  expect(built.stderr).toContain('did you mean keepBytes?');
  expect(await texts(made)).toEqual([]);
});

test.each([
  [['--all', '--keep-days=1'], '--all leaves nothing to choose'],
  [['--keep-bytes=much'], '--keep-bytes much: not understood'],
  [['--keep-days=-1'], 'number of days'],
])('%j is refused', async (flags, message) => {
  const { exitCode, stderr } = await machine().wiac(['cache', 'prune', ...flags]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
});
