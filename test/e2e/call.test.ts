/** `wiac build --call`: questions about a Dockerfile, as buildx asks them. */

import { expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context } from '../support/wiac.js';

const machine = warmMachines();

const TEXT = '# app is all\nFROM scratch AS app\n# V is used\nARG V=1\nWORKDIR x\n';

test('check, outline and targets print and build nothing', async () => {
  const { wiac } = machine();
  const root = context({ Dockerfile: TEXT });
  const ask = (call: string, ...args: string[]) => wiac(['build', `--call=${call}`, ...args, root]);
  expect(await ask('outline', '--build-arg', 'V=2')).toMatchObject({
    exitCode: 0,
    stdout:
      'TARGET:      app\nDESCRIPTION: is all\n\nBUILD ARG   VALUE   DESCRIPTION\nV           2       is used\n',
  });
  expect(await ask('targets')).toMatchObject({
    exitCode: 0,
    stdout: 'TARGET        DESCRIPTION\napp (default) is all\n',
  });
  const checked = await ask('check');
  expect(checked).toMatchObject({ exitCode: 1, stderr: '' });
  expect(checked.stdout).toContain('WorkdirRelativePath');
  expect(await wiac(['build', '--check', root])).toMatchObject({
    exitCode: 1,
    stdout: checked.stdout,
  });
  const json = async (...call: string[]) => JSON.parse((await ask(call.join(','))).stdout);
  expect(await json('outline', 'format=json')).toMatchObject({
    name: 'app',
    args: [{ name: 'V' }],
  });
  expect(await json('format=json', 'targets')).toMatchObject({ targets: [{ default: true }] });
  const { warnings, sources } = await json('check', 'format=json');
  expect(warnings).toMatchObject([{ ruleName: 'WorkdirRelativePath' }]);
  expect(sources).toMatchObject([{ language: 'Dockerfile' }]);
  expect(Buffer.from(sources[0].data, 'base64').toString()).toBe(TEXT.trimEnd());
  const usage = JSON.parse((await wiac(['cache', 'du', '--format=json'])).stdout);
  expect(usage.entries).toBe(0);
});

test('a Dockerfile on standard input; what is no method is refused; build builds', async () => {
  const { wiac } = machine();
  const { stdout } = await wiac(['build', '--call=targets', '-'], { input: TEXT });
  expect(stdout).toContain('app (default)');
  const root = context({ Dockerfile: TEXT });
  for (const call of ['', 'nothing', 'outline,targets', 'check,format=yaml', 'format=json'])
    expect(await wiac(['build', `--call=${call}`, root])).toMatchObject({ exitCode: 2 });
  expect((await wiac(['build', '-q', '--call=build', root])).stdout).toContain('/l/');
});
