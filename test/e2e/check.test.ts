/** `wiac build --check` */
import { describe, expect, test } from '@jest/globals';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir } from '../support/wiac.js';

const machine = warmMachines();

test('warnings as text and as JSON; nothing is built', async () => {
  const { wiac } = machine();
  const root = context({
    Dockerfile:
      '# check=experimental=all\nFROM scratch AS Big\nWORKDIR relative\nCOPY ignored /x\n',
    '.dockerignore': 'ignored\n',
  });
  const text = await wiac(['build', '--check', root]);
  expect(text).toMatchObject({ exitCode: 1, stderr: '' });
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
  expect(result).toMatchObject({ exitCode: process.arch === 'x64' ? 1 : 0, stderr: '' });
  expect(result.stdout.match(/InvalidBaseImagePlatform/g)).toHaveLength(
    process.arch === 'x64' ? 1 : 0,
  );
});

test('an image that cannot be looked up is said to be unchecked', async () => {
  const root = context({ Dockerfile: 'FROM oci-layout:///no/such/layout AS Big\n' });
  const result = await machine().wiac(['build', '--check', root]);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain('was not checked');
  expect(result.stdout).toContain('StageNameCasing');
});

describe('what a build would fail with before its first step', () => {
  test.each([
    ['FROM ${none}', 1],
    ['FROM scratch AS Big\nRUN --network=fake true', 2],
    ['FROM scratch AS Big\nCOPY --from=b /x /\nFROM scratch AS b\nCOPY --from=Big /y /', 2],
    ['FROM scratch AS Big\nRUN --mount=type=nosuch true', 2],
    ['FROM scratch AS Big\nUSER ${x:?}', 2],
  ])('%j is an error of the check as well, behind the warnings', async (text, line) => {
    const { wiac } = machine();
    const root = context({ Dockerfile: `${text}\n` });
    // The last stage alone is built, as with buildx.
    const target = text.includes('AS b') ? ['--target', 'big'] : [];
    const check = ['build', '--check', ...target, root];
    expect(await wiac(check)).toMatchObject({ exitCode: 3 });
    const { stdout, stderr } = await wiac([...check, '--format=json']);
    expect(stderr).toContain(`Dockerfile:${line}:`);
    const { warnings, buildError } = JSON.parse(stdout);
    expect(warnings).toHaveLength(text.includes('none') ? 2 : 1);
    expect(buildError).toMatchObject({ location: { ranges: [{ start: { line } }] } });
    expect(stderr).toContain(buildError.message);
  });

  test('an image that is not here may set what is missing; what --allow allows is none', async () => {
    const { wiac } = machine();
    const texts = ['FROM oci-layout:///no/such/layout\nUSER ${x:?}\n'];
    texts.push('FROM scratch\nRUN --security=insecure true\nRUN --network=host true\n');
    for (const Dockerfile of texts) {
      const result = await wiac(['build', '--check', '--format=json', context({ Dockerfile })]);
      expect(JSON.parse(result.stdout)).not.toHaveProperty('buildError');
      expect(result.exitCode).not.toBe(3);
    }
  });
});

describe('at the end of a build', () => {
  const TEXT = 'FROM scratch as base\nMAINTAINER me\nCOPY . /\n';

  test('warnings are shown once, in the output and as an event; not with --quiet', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: TEXT });
    const plain = await wiac(['build', '--platform=linux/amd64,linux/arm64', root]);
    expect(plain.exitCode).toBe(0);
    expect(plain.stderr.split('2 warnings found')).toHaveLength(2);
    expect(plain.stderr).toContain(' - MaintainerDeprecated: ');
    expect(plain.stderr).toContain('(line 2)');
    const { stderr } = await wiac(['build', '--progress=json', root]);
    const events = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.filter(({ type }) => type === 'lint')).toEqual([
      {
        type: 'lint',
        warnings: [
          expect.objectContaining({ rule: 'FromAsCasing', line: 1 }),
          expect.objectContaining({ rule: 'MaintainerDeprecated', line: 2 }),
        ],
      },
    ]);
    expect((await wiac(['build', '-q', root])).stderr).toBe('');
  });

  test('what a base image sets is known', async () => {
    const { wiac, build } = machine();
    await build(context({ Dockerfile: 'FROM scratch\nENV FIRST=/x\n' }), '-t', 'base');
    const root = context({ Dockerfile: 'FROM base\nLABEL a=$FIRST b=$OTHER\n' });
    const { stderr } = await wiac(['build', root]);
    expect(stderr).toContain('$OTHER');
    expect(stderr).not.toContain('$FIRST');
  });

  test('a build that fails shows them as well; error=true fails before it begins', async () => {
    const { wiac } = machine();
    const failing = context({ Dockerfile: `${TEXT}COPY nothing /\n` });
    expect((await wiac(['build', failing])).stderr).toContain('2 warnings found');
    const strict = context({ Dockerfile: `#!/usr/bin/env wiac\n# check=error=true\n${TEXT}` });
    const { exitCode, stderr } = await wiac(['build', strict]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 3,
      stderr: expect.stringMatching(/Dockerfile:3:1: the check found 2 warnings/),
    });
    expect(stderr).not.toContain('COPY . / ');
  });

  test('a rule is left out for one instruction', async () => {
    const { wiac } = machine();
    const root = context({
      Dockerfile:
        'FROM scratch\n# why\n# check=skip=MaintainerDeprecated,Other\nMAINTAINER a\nMAINTAINER b\n',
    });
    const { stderr } = await wiac(['build', root]);
    expect(stderr).toContain('1 warning found');
    expect(stderr).toContain('(line 5)');
  });

  test('files that .dockerignore leaves out, but not what a wildcard or a variable may mean', async () => {
    const root = context({
      Dockerfile: 'FROM scratch\nARG x\nCOPY bin/sh a* ${x}ax b /\n',
      '.dockerignore': 'a\na?\nb\n',
      ax: '',
      b: '',
    });
    const { stdout } = await machine().wiac(['build', '--check', root]);
    expect(stdout).toContain('CopyIgnoredFile');
    expect(stdout).toContain("'b' finds nothing");
    expect(stdout).not.toContain("'a*'");
  });
});

test('a file called dockerfile is found where there is no Dockerfile', async () => {
  const root = context({ dockerfile: 'FROM scratch\nLABEL a=b\n' });
  expect((await machine().wiac(['build', '-q', root])).exitCode).toBe(0);
});
