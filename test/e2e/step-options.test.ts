/** What the command line of a build gives its RUN steps, beside buildah; all of it is in their keys. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { resolvConf } from '../../src/executor/local/resolver.js';
import { buildahStorage } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, getOutput, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

/** What RUN steps print; each build is asked a second time, when it has to be in the cache. */
async function printed(lines: readonly string[], ...flags: string[]): Promise<string[]> {
  const { build } = machine();
  const root = context({ Dockerfile: dockerfile(...lines) });
  const { events } = await build(root, ...flags);
  expect(ranSteps((await build(root, ...flags)).events)).toEqual([]);
  return getOutput(events);
}

/** The same with buildah. */
async function buildahPrints(lines: readonly string[], ...flags: string[]): Promise<string[]> {
  const root = context({ Dockerfile: dockerfile(...lines) });
  const build = ['build', '--isolation', 'chroot', ...flags, root];
  const { stdout, stderr } = await execa('buildah', [...buildahStorage('vfs'), ...build]);
  // It prints instructions as well.
  const own = /^(STEP |COMMIT|Getting |Copying |Writing |Storing |-->|[0-9a-f]{64}$)/;
  return `${stdout}\n${stderr}`.split('\n').filter((line) => line !== '' && !own.test(line));
}

describe('/etc/hosts and /etc/resolv.conf', () => {
  test('host-gateway is this machine, whose network the step has', async () => {
    const lines = ['RUN grep -E "gate|two|six" /etc/hosts'];
    const flags = ['--add-host=gate:host-gateway', '--add-host=one;two:10.0.0.2'];
    expect(await printed(lines, ...flags, '--add-host=six=[::2]')).toEqual([
      '127.0.0.1\tgate',
      '10.0.0.2\ttwo',
      '::2\tsix',
    ]);
    const { wiac } = machine();
    const bad = await wiac([
      'build',
      '--add-host=x:gateway',
      context({ Dockerfile: dockerfile() }),
    ]);
    expect(bad).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('host-gateway') });
  });

  test('--no-hosts leaves the file of the image', async () => {
    const lines = ['COPY hosts /etc/hosts', 'RUN cat /etc/hosts'];
    const { build, wiac } = machine();
    const root = context({ Dockerfile: dockerfile(...lines), hosts: '10.9.9.9 own\n' });
    expect(getOutput((await build(root, '--no-hosts')).events)).toEqual(['10.9.9.9 own']);
    expect(getOutput((await build(root)).events)).not.toContain('10.9.9.9 own');
    const both = await wiac(['build', '--no-hosts', '--add-host=a:1.1.1.1', root]);
    expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--no-hosts') });
  });

  test.each([
    [['--dns=1.2.3.4', '--dns=1.2.3.5', '--dns-search=foo.org', '--dns-option=ndots:3']],
    [['--dns-search=foo.org', '--dns-search=bar.org']],
    [['--dns-search=.']],
    [['--dns-option=ndots:3']],
  ])('%j as buildah', async (flags) => {
    const lines = ['RUN cat /etc/resolv.conf'];
    expect(await printed(lines, ...flags)).toEqual(await buildahPrints(lines, ...flags));
  });

  test('--dns none leaves the file of the image; what can mean nothing is refused', async () => {
    const lines = ['RUN test -e /etc/resolv.conf && echo there || echo none'];
    expect(await printed(lines, '--dns=none')).toEqual(['none']);
    const { wiac } = machine();
    for (const flags of [
      ['--dns=name.org'],
      ['--dns=none', '--dns=1.1.1.1'],
      ['--dns=1.1.1.1', '--network=none'],
      ['--dns-search=a b'],
    ])
      expect(await wiac(['build', ...flags, context({ Dockerfile: dockerfile() })])).toMatchObject({
        exitCode: 2,
      });
  });

  test('a list that is empty leaves what the machine has', () => {
    const text = '# comment\ndomain old.org\nnameserver 9.9.9.9\noptions rotate\n';
    const none = { servers: [], search: [], options: [] };
    expect(resolvConf(text, none)).toBe('search old.org\nnameserver 9.9.9.9\noptions rotate\n');
    expect(resolvConf(text, { ...none, search: ['.'], options: ['edns0'] })).toBe(
      'nameserver 9.9.9.9\noptions edns0\n',
    );
  });
});

describe('capabilities', () => {
  const EFFECTIVE = 'RUN grep CapEff /proc/self/status';
  const bits = ([line = '']: readonly string[]) => {
    const mask = BigInt(`0x${line.split('\t')[1]}`);
    return (number: number) => ((mask >> BigInt(number)) & 1n) === 1n;
  };
  const [CHOWN, KILL, NET_ADMIN, SYS_PTRACE] = [0, 5, 12, 19];

  test('--cap-add and --cap-drop; what is dropped counts', async () => {
    const flags = [
      '--cap-add=NET_ADMIN,cap_sys_ptrace',
      '--cap-drop=CAP_KILL',
      '--cap-drop=sys_ptrace',
    ];
    const usual = bits(await printed([EFFECTIVE]));
    const has = bits(await printed([EFFECTIVE], ...flags));
    expect([CHOWN, KILL, NET_ADMIN, SYS_PTRACE].map(usual)).toEqual([true, true, false, false]);
    expect([CHOWN, KILL, NET_ADMIN, SYS_PTRACE].map(has)).toEqual([true, false, true, false]);
  });

  test('all of them, and where there is no sandbox', async () => {
    const only = bits(await printed([EFFECTIVE], '--cap-drop=all'));
    expect([CHOWN, KILL].map(only)).toEqual([false, false]);
    const all = bits(await printed([EFFECTIVE], '--cap-add=ALL'));
    expect([NET_ADMIN, SYS_PTRACE].map(all)).toEqual([true, true]);
    const article = bits(await printed([EFFECTIVE], '--isolation=chroot', '--cap-drop=KILL'));
    expect([CHOWN, KILL, NET_ADMIN].map(article)).toEqual([true, false, true]);
    const { wiac } = machine();
    expect(
      await wiac(['build', '--cap-add=FLY', context({ Dockerfile: dockerfile() })]),
    ).toMatchObject({ exitCode: 2 });
  });
});

describe('--volume', () => {
  /** A directory of this machine, with a file. */
  function directory(): string {
    const path = tempDir();
    writeFileSync(join(path, 'file'), 'of the machine\n');
    return path;
  }

  test('is seen and written, and leaves no mount point in the layer', async () => {
    const source = directory();
    const { build, wiac } = machine();
    const root = context({
      Dockerfile: dockerfile('RUN cat /v/file && echo back > /v/written', 'RUN ls /v'),
    });
    const { events } = await build(root, '-v', `${source}:/v`, '-t', 'result');
    expect(getOutput(events)).toEqual(['of the machine', 'file', 'written']);
    expect(readFileSync(join(source, 'written'), 'utf8')).toBe('back\n');
    const { stdout } = await wiac(['run', 'result', '/bin/ls', '/']);
    expect(stdout.split('\n')).not.toContain('v');
  });

  test('ro, O, z, a file, and a path from here', async () => {
    const source = directory();
    const write = 'RUN touch /v/new 2>/dev/null && echo written || echo refused';
    expect(await printed([write], `--volume=${source}:/v:ro,z`)).toEqual(['refused']);
    expect(await printed([write], `--volume=${source}:/v:O`)).toEqual(['written']);
    expect(await printed(['RUN cat /f'], `-v${source}/file:/f:ro,Z,private`)).toEqual([
      'of the machine',
    ]);
    const { wiac } = machine();
    const cwd = tempDir();
    mkdirSync(join(cwd, 'here'));
    const root = context({ Dockerfile: dockerfile('RUN touch /v/seen') });
    expect(await wiac(['build', '-v', './here:/v', root], { cwd })).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(cwd, 'here/seen'), 'utf8')).toBe('');
  });

  test('the key has path and options, as buildah not the content', async () => {
    const [one, two] = [directory(), directory()];
    const { build } = machine();
    const root = context({ Dockerfile: dockerfile('RUN cat /v/file > /copy') });
    const ran = async (...flags: string[]) => ranSteps((await build(root, ...flags)).events).length;
    expect(await ran('-v', `${one}:/v`)).toBe(2);
    writeFileSync(join(one, 'file'), 'changed\n');
    expect(await ran('-v', `${one}:/v`)).toBe(0);
    expect(await ran('-v', `${one}:/v:ro`)).toBe(1);
    expect(await ran('-v', `${two}:/v`)).toBe(1);
  });

  test.each([
    ['nosuch:/v', 'no path'],
    ['/nonexistent-xyz:/v', 'there is no'],
    ['/tmp', 'not understood'],
    ['/tmp:v', 'not understood'],
    ['/tmp:/', 'hide the whole image'],
    ['/tmp:/v:U', 'no option U'],
    ['/etc/hostname:/v:O', 'for directories'],
  ])('%s is refused', async (volume, message) => {
    const { wiac } = machine();
    const { exitCode, stderr } = await wiac([
      'build',
      '-v',
      volume,
      context({ Dockerfile: dockerfile() }),
    ]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

test('a shell that may open hardly any files says nothing, and wiac why that may be', async () => {
  const { wiac } = machine();
  const root = context({ Dockerfile: dockerfile('RUN echo 1 > /file') });
  for (const limit of [3, 8]) {
    const { exitCode, stderr } = await wiac(['build', `--ulimit=nofile=${limit}`, root]);
    expect(exitCode).toBe(5);
    expect(stderr).toContain(`hint: --ulimit nofile=${limit} may be why`);
  }
  expect((await wiac(['build', '--ulimit=nofile=12', root])).exitCode).toBe(0);
});

test('a build with none of it has the keys that it had', async () => {
  const { build } = machine();
  const root = context({ Dockerfile: dockerfile('RUN echo 1') });
  await build(root, '--isolation=namespaces');
  for (const flags of [['--dns=1.1.1.1'], ['--no-hosts'], ['--cap-drop=KILL'], ['-v/tmp:/v']])
    expect(ranSteps((await build(root, ...flags)).events)).toEqual(['RUN echo 1']);
  expect(ranSteps((await build(root)).events)).toEqual([]);
});
