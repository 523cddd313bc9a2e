/** `wiac build --check` */
import { expect, test } from '@jest/globals';
import { context, machine } from '../support/wiac.js';

test('warnings as text and as JSON; nothing is built', async () => {
  const { wiac } = machine();
  const root = context({
    Dockerfile:
      '# check=experimental=all\nFROM scratch AS Big\nWORKDIR relative\nCOPY ignored /x\n',
    '.dockerignore': 'ignored\n',
  });
  const text = await wiac(['build', '--check', root]);
  expect(text).toMatchObject({ exitCode: 0, stderr: '' });
  for (const rule of ['StageNameCasing', 'WorkdirRelativePath', 'CopyIgnoredFile'])
    expect(text.stdout).toContain(rule);
  const { warnings } = JSON.parse((await wiac(['build', '--check', '--format=json', root])).stdout);
  expect(warnings[0]).toMatchObject({
    ruleName: 'StageNameCasing',
    location: { ranges: [{ start: { line: 2 } }] },
  });
  const usage = JSON.parse((await wiac(['cache', 'du', '--format=json'])).stdout);
  expect(usage.entries).toBe(0);
});

test('# check=error=true makes warnings an error, skip leaves rules out', async () => {
  const { wiac } = machine();
  const strict = context({ Dockerfile: '# check=error=true\nFROM scratch AS Big\n' });
  expect(await wiac(['build', '--check', strict])).toMatchObject({ exitCode: 3 });
  const lenient = context({
    Dockerfile: '# check=skip=StageNameCasing;error=true\nFROM scratch AS Big\n',
  });
  expect(await wiac(['build', '--check', lenient])).toMatchObject({ exitCode: 0 });
});
