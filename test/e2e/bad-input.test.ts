/** Bad input: a message with file and line, an exit code of its own, and nothing left behind. */
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { parseOutput } from '../../src/engine/exports/output-spec.js';
import { ordinaryUser, wiacAs } from '../support/rootless.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, mountsBelow, ranSteps, tempDir, WIAC } from '../support/wiac.js';

const machine = warmMachines();

async function failed(text: string, files: Record<string, string> = {}, ...flags: string[]) {
  const root = context({ Dockerfile: text, ...files });
  const result = await machine().wiac(['build', ...flags, root]);
  expect(result.stdout).toBe('');
  return { ...result, root };
}

describe('exit code 3: the Dockerfile', () => {
  test.each([
    ['empty', '', 1, 'no instructions'],
    ['only comments', '# nothing\n', 1, 'no instructions'],
    ['unknown instruction', 'FROM scratch\nRUM echo\n', 2, 'RUM'],
    [
      'a mount that hides the image',
      'FROM scratch\nRUN --mount=type=cache true\n',
      2,
      'would hide the whole image',
    ],
    ['continued with nothing', 'FROM scratch\nCOPY a \\\n', 2, 'no destination'],
    ['unterminated JSON', 'FROM scratch\nRUN ["echo", "a"\n', 2, 'JSON'],
    [
      'unknown stage',
      'FROM scratch AS builder\nFROM scratch\nCOPY --from=bilder /a /b\n',
      3,
      'did you mean builder?',
    ],
    [
      'a stage that copies from itself',
      'FROM scratch AS a\nCOPY --from=a /x /y\n',
      2,
      'from itself',
    ],
    [
      'a stage that comes later',
      'FROM scratch AS a\nCOPY --from=b /x /y\nFROM scratch AS b\nCOPY --from=a /x /y\n',
      2,
      'that stage comes later',
    ],
    ['unknown target', 'FROM scratch AS a\n', 0, 'no build stage z'],
    [
      'several sources, no directory',
      'FROM scratch\nCOPY bin/sh bin/ls /x\n',
      2,
      'end the destination with a slash: /x/',
    ],
    ['unknown user', 'FROM scratch\nCOPY bin /bin\nUSER nobody\nRUN true\n', 4, 'nobody'],
    ['unknown flag', 'FROM scratch\nCOPY --form=x a b\n', 2, 'did you mean --from?'],
    [
      'a directory over a symbolic link',
      'FROM scratch\nCOPY bin /bin\nRUN ln -s bin /sbin\nCOPY tree /\n',
      4,
      '/sbin',
    ],
  ])('%s', async (name, text, line, message) => {
    const flags = name === 'unknown target' ? ['--target=z'] : [];
    const { exitCode, stderr, root } = await failed(text, { 'tree/sbin/x': 'x' }, ...flags);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(line > 0 ? `${root}/Dockerfile:${line}:` : `${root}/Dockerfile:`);
    expect(stderr).toContain(message);
  });

  test('a bad pattern in .dockerignore', async () => {
    const { exitCode, stderr } = await failed('FROM scratch\nCOPY . /\n', {
      '.dockerignore': 'ok\n[\n',
    });
    expect(exitCode).toBe(3);
    expect(stderr).toContain('.dockerignore:2:');
  });
});

describe('exit code 11: images', () => {
  test.each([
    ['an archive that is not there', 'FROM oci-archive:/nowhere.tar\n', 1, 'FROM oci-archive'],
    ['a registry that is not there', 'FROM scratch\nFROM 127.0.0.1:1/x:1\n', 2, 'FROM 127.0.0.1'],
    [
      'an image that files come from',
      'FROM scratch\nCOPY bin /bin\nCOPY --from=oci-layout:///nowhere / /\n',
      3,
      'COPY --from=oci-layout',
    ],
  ])('%s: which instruction names it', async (_title, text, line, instruction) => {
    const { exitCode, stderr, root } = await failed(text);
    expect(exitCode).toBe(11);
    expect(stderr).toContain(`${join(root, 'Dockerfile')}:${line}:1: `);
    expect(stderr).toContain(`>>> ${instruction}`);
    expect(stderr).toContain('hint: ');
  });
});

test('an archive that ADD can not unpack: where, and why', async () => {
  const root = context({ Dockerfile: 'FROM scratch\nADD cut.tar.gz /\n' });
  const { stdout } = await execa('tar', ['-C', root, '-cz', 'bin'], { encoding: 'buffer' });
  writeFileSync(join(root, 'cut.tar.gz'), stdout.subarray(0, stdout.length / 2));
  const { exitCode, stderr } = await machine().wiac(['build', '--progress=plain', root]);
  expect(exitCode).toBe(4);
  expect(stderr).toContain(`${join(root, 'Dockerfile')}:2:1: `);
  expect(stderr).toMatch(/cut\.tar\.gz can't be unpacked: .*\(gzip\): unexpected end of file/);
  expect(stderr).toContain('hint: is the archive damaged?');
});

describe('exit code 4: the build context', () => {
  test.each([
    ['missing source', 'COPY nope /x', 'nope is not in the build context'],
    ['a source above the context', 'COPY ../secret /x', '../secret leads out of the build context'],
    ['a symbolic link that leads outside', 'COPY outside /x', 'leads out of the build context'],
    [
      'a symbolic link on the way that leads outside',
      'COPY up/x /x',
      'leads out of the build context',
    ],
    ['an ignored source', 'COPY ignored /x', '.dockerignore'],
  ])('%s', async (_, line, message) => {
    const root = context({
      Dockerfile: `FROM scratch\n${line}\n`,
      ignored: 'x',
      '.dockerignore': 'ignored',
    });
    symlinkSync('/etc/passwd', join(root, 'outside'));
    symlinkSync('..', join(root, 'up'));
    const { exitCode, stderr } = await machine().wiac(['build', root]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain(message);
    expect(stderr).toContain('Dockerfile:2:');
  });

  test('a queue that comes from the environment; an empty variable is none', async () => {
    const { wiac } = machine();
    const root = context({ Dockerfile: 'FROM scratch\nLABEL a=b\n' });
    const wrong = await wiac(['workers'], { env: { WIAC_QUEUE: 'somewhere' } });
    expect(wrong).toMatchObject({ exitCode: 2 });
    expect(wrong.stderr).toContain('--queue somewhere is no address of a Redis server');
    const given = await wiac(['build', root], { env: { WIAC_QUEUE: 'redis://127.0.0.1:1/0' } });
    expect(given).toMatchObject({ exitCode: 2 });
    expect(given.stderr).toContain('$WIAC_QUEUE');
    expect(await wiac(['build', root], { env: { WIAC_QUEUE: '' } })).toMatchObject({ exitCode: 0 });
  });

  test('no context, no Dockerfile', async () => {
    const { wiac } = machine();
    const absent = await wiac(['build', '/nonexistent']);
    expect(absent).toMatchObject({ exitCode: 4 });
    expect(absent.stderr).toContain('there is no build context /nonexistent\n');
    // As of a variable that is not set: it is not this directory.
    const empty = await wiac(['build', '']);
    expect(empty).toMatchObject({ exitCode: 2, stdout: '' });
    expect(empty.stderr).toContain('the build context is an empty text');
    expect((await wiac(['build', tempDir()])).stderr).toContain('there is no Dockerfile');
  });
});

describe('paths where nothing can be, and where this user may not look', () => {
  const commands = (path: string, base: string): [string[], number][] => [
    [['build', path], 4],
    [['build', '--build-context', `x=${path}`, base], 4],
    [['build', '-v', `${path}:/x`, base], 2],
    [['build', '--secret', `id=x,src=${path}`, base], 2],
    [['build', '--ssh', `x=${path}`, base], 2],
    [['run', path, './c', 'x'], 125],
    [['run', '/usr', path, 'x'], 125],
    [['run', '-v', `${path}:/x`, 'app', 'x'], 125],
    [['run', '--mount', `type=bind,src=${path},dst=/x`, 'app', 'x'], 125],
    [['run', '--device', path, 'app', 'x'], 125],
  ];
  const check = async (path: string, run: (args: string[]) => ReturnType<typeof wiacAs>) => {
    const base = context({ Dockerfile: 'FROM scratch\nCOPY bin /\nCOPY --from=x . /x/\n' });
    chmodSync(base, 0o755);
    for (const [words, code] of commands(path, base)) {
      const { exitCode, stderr } = await run(words);
      expect(stderr).not.toContain('internal error');
      expect([words[0], words[1], exitCode]).toEqual([words[0], words[1], code]);
    }
  };

  test('below a file, links in a circle, a name that is too long', async () => {
    const directory = tempDir();
    symlinkSync('loop', join(directory, 'loop'));
    const run = (words: string[]) => machine().wiac(words, { cwd: directory });
    await check('/etc/passwd/x', run as never);
    for (const path of [join(directory, 'loop'), `/${'b'.repeat(300)}`]) {
      expect(await run(['build', path])).toMatchObject({ exitCode: 4 });
      expect(await run(['copy', './layer', path, '/x'])).toMatchObject({ exitCode: 4 });
    }
  });

  test('a directory of another user', async () => {
    const { command, env, home } = ordinaryUser();
    const user = { command, env, root: join(home, 'store'), tmp: join(home, 'tmp') };
    const closed = tempDir();
    mkdirSync(join(closed, 'x'));
    chmodSync(closed, 0o700);
    await check(join(closed, 'x'), (words) => wiacAs(user, words));
  });
});

describe('exit code 5: a step fails', () => {
  test('its exit code, its last 20 lines and its place are shown; what was built stays', async () => {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile(
        'RUN echo fine > /fine',
        'RUN for i in $(printf "%s " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25); do echo line $i; done; exit 9',
      ),
    });
    const { exitCode, stderr, stdout } = await made.wiac(['build', '-q', root]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 5, stdout: '' });
    expect(stderr).toContain(`${root}/Dockerfile:4:1: the step ended with exit code 9`);
    expect(stderr).toContain('| line 25');
    expect(stderr).toContain('| line 6\n');
    expect(stderr).not.toContain('| line 5\n');
    expect(stderr).toContain('>>> RUN for i in');
    writeFileSync(join(root, 'Dockerfile'), dockerfile('RUN echo fine > /fine', 'RUN true'));
    expect(ranSteps((await made.build(root)).events)).toEqual(['RUN true']);
  });

  test('a program that is not there; another step beside it is stopped', async () => {
    const text = `FROM scratch AS base
COPY bin /bin
FROM base AS slow
RUN sleep 65432
FROM base
RUN sleep 1; exec /nope
COPY --from=slow /a /a
`;
    const { exitCode, stderr } = await failed(text);
    expect(exitCode).toBe(5);
    expect(stderr).toContain('exit code 127');
    expect((await execa('pgrep', ['-f', 'sleep 65432'], { reject: false })).stdout).toBe('');
  });

  test('as JSON', async () => {
    const { stderr } = await failed(dockerfile('RUN exit 3'), {}, '--progress=json');
    const error = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '');
    expect(error).toMatchObject({
      type: 'error',
      code: 'STEP_FAILED',
      stepExitCode: 3,
      location: { line: 3 },
    });
  });
});

describe('exit code 6: no space left', () => {
  test('in a store on a small file system', async () => {
    const store = tempDir();
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', store]);
    try {
      const root = context({ Dockerfile: dockerfile() });
      const { exitCode, stderr } = await machine().wiac(['build', root], {
        env: { WIAC_ROOT: join(store, 'wiac') },
      });
      expect(stderr).toContain('no space left');
      expect(exitCode).toBe(6);
    } finally {
      await execa('umount', [store]);
    }
  });
});

describe('exit code 7: the store', () => {
  test('a newer format version', async () => {
    const made = machine();
    mkdirSync(made.root);
    writeFileSync(join(made.root, 'format-version'), '99\n');
    const { exitCode, stderr } = await made.wiac(['build', context({ Dockerfile: dockerfile() })]);
    expect(exitCode).toBe(7);
    expect(stderr).toContain('format version 99');
    expect(readdirSync(made.root)).toEqual(['format-version']);
  });
});

describe('exit code 8: no user namespace, or one without the user that is needed', () => {
  test('a user without ranges in /etc/subuid is root alone', async () => {
    const root = context({ Dockerfile: dockerfile('RUN id -u', 'USER 5:6', 'RUN id') });
    chmodSync(root, 0o755);
    const { command, env, home } = ordinaryUser({ ranges: false });
    const user = { command, env, root: join(home, 'store'), tmp: join(home, 'tmp') };
    const { exitCode, stderr } = await wiacAs(user, ['build', root]);
    expect(exitCode).toBe(8);
    expect(stderr).toContain('Dockerfile:5: USER: there is no user 5 with the group 6');
    expect(stderr).toMatch(/^\[0 3\/5\] \d+\.\d{3} \| 0$/m);
  });

  test('a step that fails for want of a user says what brings it', async () => {
    const { command, env, home } = ordinaryUser({ ranges: false });
    const user = { command, env, root: join(home, 'store'), tmp: join(home, 'tmp') };
    const asUser = (...args: readonly string[]) => {
      const root = context({ Dockerfile: dockerfile(...args) });
      chmodSync(root, 0o755);
      return wiacAs(user, ['build', root]);
    };
    const hint = /^hint: it may want somebody .*\/etc\/subuid/m;
    expect((await asUser('RUN touch /f && chown 1000:1000 /f')).stderr).toMatch(hint);
    const apt = 'E: seteuid 42 failed - seteuid (22: Invalid argument)';
    expect((await asUser(`RUN echo "${apt}"; exit 100`)).stderr).toMatch(hint);
    expect((await asUser('RUN exit 1')).stderr).not.toMatch(/^hint: /m);
  });

  test('a group that is in no range is named', async () => {
    const { command, env, home } = ordinaryUser();
    const user = { command, env, root: join(home, 'store'), tmp: join(home, 'tmp') };
    const root = context({
      Dockerfile: dockerfile('COPY passwd group /etc/', 'RUN true', 'USER five', 'RUN id'),
      passwd: 'five:x:5:5::/:/bin/sh\n',
      group: 'far:x:70000:five\n',
    });
    chmodSync(root, 0o755);
    const built = await wiacAs(user, ['build', root]);
    expect([built.exitCode, built.stderr]).toEqual([
      8,
      expect.stringMatching(
        /:6: USER: there is no user 5 with the group 70000 .*\nhint: give your/,
      ),
    ]);
    const rootfs = join(root, 'bin');
    const ran = await wiacAs(user, ['run', '--group-add=70000', rootfs, join(home, 'l'), '/ls']);
    expect([ran.exitCode, ran.stderr]).toEqual([
      125,
      expect.stringMatching(/--group-add: there is no user 0 with the group 70000 .*\nhint: give/),
    ]);
  });
});

describe('exit code 9: not supported yet', () => {
  test('says so with file and line', async () => {
    const { exitCode, stderr, root } = await failed(
      'FROM scratch\n\nFROM --platform=plan9/mips scratch\nRUN true\n',
    );
    expect(exitCode).toBe(9);
    expect(stderr).toContain(`${root}/Dockerfile:4:`);
  });
});

describe('exit code 2: the command line', () => {
  test.each([
    [['bild', '.'], 'Did you mean build?'],
    [['build'], "missing required argument 'path'"],
    [[], 'wiac: the command is missing\n'],
    [['cache'], 'wiac: the command is missing\n'],
    [['build', '--nope', '.'], "unknown option '--nope'"],
    [['build', '--jobs', '0', '.'], 'whole number'],
    [['copy', 'layer', 'src'], 'no destination'],
  ])('%j', async (args, message) => {
    const { exitCode, stderr } = await machine().wiac(args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('SIGINT in the middle of a step', () => {
  test('exit code 130, nothing mounted, nothing running, the next build works', async () => {
    const made = machine();
    const root = context({
      Dockerfile: dockerfile('RUN trap "" INT TERM; echo ready; sleep 54321'),
    });
    const child = execa(process.execPath, [WIAC, 'build', '--progress=plain', root], {
      env: { WIAC_ROOT: made.root },
      reject: false,
    });
    await new Promise<void>((resume) => {
      child.stderr.on('data', (data: Buffer) => {
        if (data.toString().includes('| ready')) resume();
      });
    });
    child.kill('SIGINT');
    const { exitCode, stderr } = await child;
    expect(exitCode).toBe(130);
    expect(stderr).toContain('stopped by SIGINT');
    expect(mountsBelow(made.root)).toEqual([]);
    expect((await execa('pgrep', ['-f', 'sleep 54321'], { reject: false })).stdout).toBe('');
    expect(readdirSync(join(made.root, 'tmp'))).toEqual([]);
    writeFileSync(join(root, 'Dockerfile'), dockerfile('RUN true'));
    expect(ranSteps((await made.build(root)).events)).toEqual(['RUN true']);
  });
});

describe('directories that the kernel does not make', () => {
  // Node's own recursive mkdir would go on forever.
  test.each([
    ['the store', 7, ['images'], { WIAC_ROOT: '/proc/nowhere/store' }],
    ['an output', 11, ['build', '-q', '-o', '/proc/nowhere/out', '.'], {}],
    ['a layer to copy to', 2, ['copy', '/proc/nowhere/layer', '/bin/busybox', '/sh'], {}],
    ['a layer to run in', 125, ['run', '.', '/proc/nowhere/layer', '/sh'], {}],
  ])('%s', async (_, exitCode, args, env) => {
    const cwd = context({ Dockerfile: 'FROM scratch\nCOPY bin /bin\n' });
    const result = await machine().wiac(args, { cwd, env });
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toContain('/proc/nowhere');
    expect(result.stderr).not.toContain('internal error');
  });
});

// Refused when it is read: nothing here may ever write to the root of this machine.
test.each(['/', '//', '/./', 'type=local,dest=/', 'type=local,dest=/tmp/..'])(
  '--output %s would replace files of this machine',
  (text) => {
    expect(() => parseOutput(text)).toThrow('would replace files of this machine');
    expect(parseOutput(`${text}tmp`)).toMatchObject({ type: 'local' });
  },
);
