/** `wiac build --check` */
import { expect, test } from '@jest/globals';
import { context, machine, tempDir } from '../support/wiac.js';

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

test('InvalidBaseImagePlatform: images of the store and elsewhere are looked up', async () => {
  const { wiac, build } = machine();
  const made = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
  await build(made, '--platform', 'linux/arm64', '-t', 'arm');
  const layout = tempDir();
  await wiac(['push', 'arm', `oci-layout://${layout}:x`]);
  const root = context({
    Dockerfile: `FROM --platform=$BUILDPLATFORM oci-layout://${layout}:x AS first\nFROM arm\nCOPY --from=first /bin /b\n`,
  });
  const result = await wiac(['build', '--check', '--platform', 'linux/arm64', root]);
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  expect(result.stdout.match(/InvalidBaseImagePlatform/g)).toHaveLength(
    process.arch === 'x64' ? 1 : 0,
  );
});

test('an image that cannot be looked up is said to be unchecked', async () => {
  const root = context({ Dockerfile: 'FROM oci-layout:///no/such/layout AS Big\n' });
  const result = await machine().wiac(['build', '--check', root]);
  expect(result.exitCode).toBe(0);
  expect(result.stderr).toContain('was not checked');
  expect(result.stdout).toContain('StageNameCasing');
});
