/** --platform, FROM --platform, and images of the store as base images. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { canRun, interpreterWithin } from '../../src/executor/local/binfmt.js';
import { parsePlatform } from '../../src/oci/platform.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

describe('platforms', () => {
  test('a stage for another platform is built where nothing has to run', async () => {
    const { build, wiac } = machine();
    const root = context({
      Dockerfile:
        'FROM --platform=$BUILDPLATFORM scratch AS make\nCOPY bin /bin\nARG TARGETARCH\nRUN echo for $TARGETARCH > /made\nFROM scratch\nCOPY --from=make /made /made\n',
    });
    const { lowerdirs } = await build(root, '--platform', 'linux/riscv64', '-t', 'foreign');
    expect(readFileSync(join(lowerdirs, 'made'), 'utf8')).toBe('for riscv64\n');
    const layout = tempDir();
    await wiac(['push', 'foreign', `oci-layout://${layout}:x`]);
    const { stdout } = await execa('skopeo', ['inspect', '--config', `oci:${layout}:x`]);
    expect(JSON.parse(stdout)).toMatchObject({ os: 'linux', architecture: 'riscv64' });
  });

  test('RUN for a platform that this machine cannot run says what to do', async () => {
    const root = context({ Dockerfile: dockerfile('RUN true') });
    // Nobody registers an interpreter for it.
    const result = await machine().wiac(['build', '--platform', 'linux/alpha', root]);
    expect(result).toMatchObject({ exitCode: 9, stdout: '' });
    expect(result.stderr).toContain('Dockerfile:3:1');
    expect(result.stderr).toContain('qemu-user-static');
  });

  test('the platform is part of the keys', async () => {
    const { build } = machine();
    const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
    await build(root);
    const { events } = await build(root, '--platform', 'linux/arm64');
    expect(ranSteps(events)).toEqual(['COPY bin /bin']);
  });

  test('each platform has its own image of an index', async () => {
    const { build, wiac } = machine();
    const layout = tempDir();
    const root = context({
      Dockerfile: 'FROM scratch\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nCOPY bin /bin\n',
    });
    const descriptors = [];
    for (const architecture of ['amd64', 'arm64']) {
      await build(root, '--platform', `linux/${architecture}`, '-t', architecture);
      await wiac(['push', architecture, `oci-layout://${layout}:${architecture}`]);
      const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
      const { annotations: _, ...descriptor } = manifests.at(-1);
      descriptors.push({ ...descriptor, platform: { os: 'linux', architecture } });
    }
    const multi = { schemaVersion: 2, manifests: descriptors };
    writeFileSync(join(layout, 'index.json'), JSON.stringify(multi));
    const child = context({
      Dockerfile: `FROM --platform=linux/arm64 oci-layout://${layout} AS arm\nFROM oci-layout://${layout}\nCOPY --from=arm /bin /arm\n`,
    });
    await build(child, '--platform', 'linux/amd64', '-t', 'child');
    const { stdout } = await wiac(['push', 'child', `oci-layout://${layout}/out:x`]);
    expect(stdout).toMatch(/^sha256:/);
    const { stdout: config } = await execa('skopeo', [
      'inspect',
      '--config',
      `oci:${layout}/out:x`,
    ]);
    expect(JSON.parse(config)).toMatchObject({
      architecture: 'amd64',
      config: { Labels: { arch: 'amd64' } },
    });
  });

  test.each([
    ['--platform', ['--platform', 'a b'], 2],
    ['FROM --platform', [], 3],
  ])('%s that is none is an error', async (_, flags, exitCode) => {
    const root = context({ Dockerfile: 'FROM --platform=a,b scratch\nLABEL a=b\n' });
    const result = await machine().wiac(['build', ...flags, root]);
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toContain('is not a platform');
  });
});

describe('interpreters of binfmt_misc', () => {
  /** A directory as the kernel shows it, with one handler. */
  function registered(lines: string[]): string {
    const directory = mkdtempSync(join(tempDir(), 'binfmt-'));
    writeFileSync(join(directory, 'status'), 'enabled\n');
    writeFileSync(join(directory, 'register'), '');
    writeFileSync(join(directory, 'any-name'), `${lines.join('\n')}\n`);
    return directory;
  }
  const qemu = ['interpreter /usr/bin/qemu-aarch64-static', 'flags: OCF', 'offset 0'];
  const arm64 = 'magic 7f454c460201010000000000000000000200b700';
  const platform = parsePlatform('linux/arm64');

  test.each([
    ['a handler for the machine', ['enabled', ...qemu, arm64], true],
    ['a handler that is switched off', ['disabled', ...qemu, arm64], false],
    ['a handler for another machine', ['enabled', ...qemu, arm64.replace(/b700$/, 'f300')], false],
    ['a handler for a file extension', ['enabled', ...qemu, 'extension .arm64'], false],
  ])('%s', (_, lines, expected) => {
    expect(canRun(platform, registered(lines))).toBe(expected || process.arch === 'arm64');
  });

  test('s390x has its bytes in the other order', () => {
    const magic = 'magic 7f454c4602020100000000000000000000020016';
    const directory = registered(['enabled', ...qemu, magic]);
    expect(canRun(parsePlatform('linux/s390x'), directory)).toBe(true);
    expect(canRun(platform, directory)).toBe(process.arch === 'arm64');
  });

  // As in most containers: what the machine has registered works there, and is not shown.
  test.each([
    ['not there', 'nothing'],
    ['not mounted', '.'],
  ])('a directory that is %s says nothing of the kernel', (_, name) => {
    const directory = join(mkdtempSync(join(tempDir(), 'unmounted-')), name);
    const own = process.arch === 'ppc64';
    expect(canRun(parsePlatform('linux/ppc64le'), directory)).toBe(own || undefined);
    expect(canRun(parsePlatform('windows/amd64'), directory)).toBe(false);
  });

  test('an interpreter that was not opened is looked for in the image', () => {
    const [interpreter = ''] = qemu;
    const inImage = registered(['enabled', interpreter, 'flags: ', 'offset 0', arm64]);
    const own = process.arch === 'arm64';
    expect(interpreterWithin(platform, inImage)).toBe(
      own ? undefined : '/usr/bin/qemu-aarch64-static',
    );
    expect(interpreterWithin(platform, registered(['enabled', ...qemu, arm64]))).toBeUndefined();
  });
});

describe('images of the store', () => {
  test('a name that is that of an image for another platform is told as that', async () => {
    const { build, wiac } = machine();
    const other = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';
    await build(
      context({ Dockerfile: 'FROM scratch\nLABEL a=b\n' }),
      '--platform',
      other,
      '-t',
      'o',
    );
    const built = await wiac(['build', '--pull=never', context({ Dockerfile: 'FROM o\n' })]);
    expect(built.stderr).toContain(`; the store has o for ${other}, not for linux/`);
    const flags = ['--pull=never', '--platform', 'linux/s390x'];
    const ran = await wiac(['run', ...flags, 'o', '/bin/true']);
    expect(ran.stderr).toContain('there is no image o for linux/s390x\n');
    expect(ran.stderr).toContain(`the store has it for ${other}\n`);
  });

  test('FROM and COPY --from take a build result by its name', async () => {
    const { build } = machine();
    await build(context({ Dockerfile: dockerfile('ENV GREETING=hello') }), '-t', 'tools');
    const { events } = await build(
      context({
        Dockerfile:
          'FROM tools\nRUN echo $GREETING from the base\nFROM tools:latest\nCOPY --from=tools /bin/sh /copied\n',
      }),
      '--target',
      '0',
    );
    expect(getOutput(events)).toEqual(['hello from the base']);
  });

  test('a new image of that name is a new base, the same one is cached', async () => {
    const { build } = machine();
    const child = context({ Dockerfile: 'FROM tools\nRUN echo $V\n' });
    await build(context({ Dockerfile: dockerfile('ENV V=1') }), '-t', 'tools');
    expect(getOutput((await build(child)).events)).toEqual(['1']);
    expect(ranSteps((await build(child)).events)).toEqual([]);
    await build(context({ Dockerfile: dockerfile('ENV V=2') }), '-t', 'tools');
    expect(getOutput((await build(child)).events)).toEqual(['2']);
  });

  test('--pull asks where the image comes from', async () => {
    const { build, wiac } = machine();
    await build(context({ Dockerfile: dockerfile() }), '-t', 'localhost:1/tools');
    const child = context({ Dockerfile: 'FROM localhost:1/tools\nLABEL a=b\n' });
    await build(child);
    const result = await wiac(['build', '--pull', child]);
    expect(result).toMatchObject({ exitCode: 11, stdout: '' });
    expect(result.stderr).toContain('localhost:1');
  });

  test('an image for another platform is not taken', async () => {
    const { build, wiac } = machine();
    const made = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
    await build(made, '--platform', 'linux/arm64', '-t', 'localhost:1/arm');
    const child = context({ Dockerfile: 'FROM localhost:1/arm\nLABEL a=b\n' });
    expect((await wiac(['build', '--platform', 'linux/amd64', child])).exitCode).toBe(11);
    expect((await wiac(['build', '--platform', 'linux/arm64', child])).exitCode).toBe(0);
  });
});

test('an image alone that is for another platform is taken, with a warning', async () => {
  const other = process.arch === 'arm64' ? 'amd64' : 'arm64';
  const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const { build, wiac } = machine();
  // Its program is this machine's all the same, so that it runs.
  const root = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\nCMD ["/bin/echo", "ran"]\n' });
  await build(root, '--platform', `linux/${other}`, '-t', 'foreign');
  const reference = `oci-layout://${join(tempDir(), 'layout')}:x`;
  await wiac(['push', 'foreign', reference]);
  const about = (name: string) => `the image ${name} is for linux/${other}, not for linux/${own}`;
  const child = context({ Dockerfile: `FROM ${reference}\nLABEL a=b\n` });
  const { events } = await build(child);
  const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  expect(warnings).toEqual([expect.stringContaining(about(reference))]);
  const foreign = await build(child, '--platform', `linux/${other}`);
  expect(foreign.events.some(({ type }) => type === 'warning')).toBe(false);
  expect((await wiac(['pull', reference])).stderr).toContain(about(reference));
  const flags = ['--platform', `linux/${other}`];
  expect((await wiac(['pull', ...flags, reference])).stderr).toBe('');
  const ran = await wiac(['run', 'foreign']);
  expect(ran).toMatchObject({ stdout: 'ran\n', stderr: expect.stringContaining(about('foreign')) });
  expect((await wiac(['run', ...flags, 'foreign'])).stderr).toBe('');
});
