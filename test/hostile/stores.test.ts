/** Stores that another user made, in a directory where everybody may make things, or in another user namespace. */
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { UserMachine } from '../support/rootless.js';
import { getMachine, ORDINARY_UID, ordinaryUser, stepOutput, wiacAs } from '../support/rootless.js';
import { context, dockerfile, tempDir } from '../support/wiac.js';

const STRANGER = ORDINARY_UID + 1;

/** A directory for everybody, like /tmp, with a store whose layers are somebody else's files. */
function trap(owner: number) {
  const shared = tempDir();
  chmodSync(shared, 0o1777);
  const [store, files] = [join(shared, 'store'), join(tempDir(), 'files')];
  mkdirSync(files);
  writeFileSync(join(files, 'kept'), '');
  mkdirSync(store);
  symlinkSync(files, join(store, 'layers'));
  for (const path of [join(store, 'layers'), store]) lchownSync(path, owner, owner);
  return { shared, store, kept: join(files, 'kept') };
}

describe.each(['root', 'ordinary'] as const)('%s', (user) => {
  test('one is not used, whatever leads there, and no file elsewhere is removed', async () => {
    const made = getMachine(user);
    const wiacWith = (WIAC_ROOT: string, ...words: readonly string[]) =>
      wiacAs({ ...made, env: { ...made.env, WIAC_ROOT } }, words);
    const { shared, store, kept } = trap(STRANGER);
    const own = tempDir();
    chmodSync(own, 0o755);
    const link = join(own, 'link');
    symlinkSync(store, link);
    const root = context({ Dockerfile: dockerfile() });
    chmodSync(root, 0o755);
    for (const place of [store, join(store, 'deeper'), link]) {
      const ended = [
        await wiacWith(place, 'build', root),
        await wiacWith(place, 'cache', 'prune', '--all'),
      ];
      for (const { exitCode, stderr } of ended)
        expect({ exitCode, stderr }).toEqual({
          exitCode: 7,
          stderr: expect.stringContaining(`of another user (${STRANGER}), and everybody may`),
        });
    }
    expect(existsSync(kept)).toBe(true);
    const other = await wiacWith(join(shared, 'own'), 'build', root);
    expect(other).toMatchObject({ exitCode: 0 });
  });
});

test('a part of one that another user made in a directory for everybody is not used', async () => {
  const made = getMachine('root');
  const shared = tempDir();
  chmodSync(shared, 0o1777);
  const root = context({ Dockerfile: dockerfile() });
  const build = () => wiacAs({ ...made, env: { ...made.env, WIAC_ROOT: shared } }, ['build', root]);
  expect(await build()).toMatchObject({ exitCode: 0 });
  const part = join(shared, 'blobs');
  symlinkSync('/etc', part);
  lchownSync(part, STRANGER, STRANGER);
  expect(await build()).toMatchObject({
    exitCode: 7,
    stderr: expect.stringContaining(`${part} is of another user (${STRANGER})`),
  });
});

test.each(['layers', 'l', 'tmp', 'format-version'])(
  'a part of one that another user made in a directory of that user is not used: %s',
  async (name) => {
    const made = getMachine('root');
    // Not in the directory for temporary files itself, where everybody may make something.
    const [WIAC_ROOT, files] = [join(tempDir(), 'store'), tempDir()];
    mkdirSync(WIAC_ROOT, { mode: 0o700 });
    const root = context({ Dockerfile: dockerfile() });
    const wiacThere = (...words: string[]) =>
      wiacAs({ ...made, env: { ...made.env, WIAC_ROOT } }, words);
    lchownSync(WIAC_ROOT, STRANGER, STRANGER);
    expect(await wiacThere('build', root)).toMatchObject({ exitCode: 0 });
    const part = join(WIAC_ROOT, name);
    rmSync(part, { recursive: true });
    writeFileSync(join(files, 'kept'), '6\n');
    symlinkSync(name === 'format-version' ? join(files, 'kept') : files, part);
    lchownSync(part, STRANGER, STRANGER);
    for (const words of [
      ['build', root],
      ['cache', 'prune', '--all'],
      ['cache', 'verify', '--repair'],
    ])
      expect(await wiacThere(...words)).toMatchObject({
        exitCode: 7,
        stderr: expect.stringContaining(`${part} is of another user (${STRANGER})`),
      });
    expect(readdirSync(files)).toEqual(['kept']);
  },
);

test('a directory for everybody that its tmp leads to stays one', async () => {
  const made = getMachine('root');
  const shared = tempDir();
  chmodSync(shared, 0o1777);
  mkdirSync(made.root, { recursive: true });
  symlinkSync(shared, join(made.root, 'tmp'));
  const root = context({ Dockerfile: dockerfile() });
  expect(await wiacAs(made, ['build', root])).toMatchObject({ exitCode: 0 });
  expect(statSync(shared).mode & 0o7777).toBe(0o1777);
});

test("one of an ordinary user in root's directory stays open to that user when root tries to use it", async () => {
  const user = getMachine('ordinary');
  const shared = tempDir();
  chmodSync(shared, 0o777);
  const root = context({ Dockerfile: dockerfile('RUN mkdir /d') });
  chmodSync(root, 0o755);
  const WIAC_ROOT = shared;
  const build = () => wiacAs({ ...user, env: { ...user.env, WIAC_ROOT } }, ['build', root]);
  expect(await build()).toMatchObject({ exitCode: 0 });
  const made = getMachine('root');
  expect(await wiacAs({ ...made, env: { ...made.env, WIAC_ROOT } }, ['build', root])).toMatchObject(
    {
      exitCode: 7,
    },
  );
  expect(await build()).toMatchObject({ exitCode: 0 });
});

test.each([
  ['in a user namespace', [], ['unshare', '-Ur', '--mount', '--']],
  ['outside of one', ['unshare', '-Ur', '--mount', '--'], []],
])('what a step removed does not show again %s', async (_, first, second) => {
  const made = getMachine('root');
  const steps = [
    'RUN mkdir /d && echo removed > /d/old',
    'RUN rm -r /d && mkdir /d && echo made > /d/new',
  ];
  const root = context({ Dockerfile: dockerfile(...steps, 'RUN ls /d') });
  const firstBuild = await stepOutput({ ...made, command: first }, root, []);
  expect(firstBuild).toEqual(['new']);
  for (const Dockerfile of [dockerfile(...steps, 'RUN ls /d #'), dockerfile()]) {
    writeFileSync(join(root, 'Dockerfile'), Dockerfile);
    expect(await wiacAs({ ...made, command: second }, ['build', root])).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining('user namespace'),
    });
  }
  expect(await stepOutput({ ...made, command: first }, root, [])).toEqual([]);
});

test("an older store of root's, which does not say who made it, is not used in a user namespace", async () => {
  const made = getMachine('root');
  const root = context({ Dockerfile: dockerfile() });
  const inNamespace = { ...made, command: ['unshare', '-Ur', '--mount', '--'] };
  expect(await wiacAs(made, ['build', root])).toMatchObject({ exitCode: 0 });
  rmSync(join(made.root, 'overlay-marks'));
  expect(await wiacAs(inNamespace, ['build', root])).toMatchObject({
    exitCode: 7,
    stderr: expect.stringContaining('was made by root outside of user namespaces'),
  });
  expect(await wiacAs(made, ['build', root])).toMatchObject({ exitCode: 0 });
});

test.each([[true], [false]])(
  "an ordinary user's questions are answered, which are asked outside of a namespace (older store: %s)",
  async (old) => {
    const made = getMachine('ordinary');
    const root = context({ Dockerfile: dockerfile('RUN mkdir /d', 'RUN rm -r /d && mkdir /d') });
    chmodSync(root, 0o755);
    const succeeds = async (...words: readonly string[]) => {
      const { exitCode, stderr } = await wiacAs(made, words);
      expect({ words, exitCode, stderr }).toEqual({
        words,
        exitCode: 0,
        stderr: expect.any(String),
      });
    };
    // It makes the store.
    await succeeds('images');
    await succeeds('build', '-t', 'x', root);
    if (old) rmSync(join(made.root, 'overlay-marks'));
    for (const words of ['images', 'cache ls', 'cache du', 'cache verify', 'doctor'])
      await succeeds(...words.split(' '));
    for (const command of ['plan', 'why', 'build']) await succeeds(command, root);
  },
);

test('one that was used with ranges in /etc/subuid is not used without them, also when it was made without', async () => {
  const has = getMachine('ordinary');
  const lacks = { ...has, command: ordinaryUser({ ranges: false }).command };
  const [plain, root] = ['true', 'chown 5:6 /bin'].map((run) => {
    const made = context({ Dockerfile: dockerfile(`RUN ${run}`) });
    chmodSync(made, 0o755);
    return made;
  }) as [string, string];
  expect(await wiacAs(lacks, ['build', plain])).toMatchObject({ exitCode: 0 });
  expect(await wiacAs(has, ['build', root])).toMatchObject({ exitCode: 0 });
  // Found, the files would belong to nobody.
  expect(await wiacAs(lacks, ['build', root])).toMatchObject({
    exitCode: 7,
    stderr: expect.stringMatching(
      /what its layers need: owners\nhint: are the ranges .* as they were/,
    ),
  });
  expect(await wiacAs(has, ['build', root])).toMatchObject({ exitCode: 0 });
});

test('what a step did where its user had no ranges is not the result where there are some, nor fewer', async () => {
  const has = getMachine('ordinary');
  const [lacks, hasFewer] = [false, 'wiac-test:200000:1000'].map((ranges) => ({
    ...has,
    command: ordinaryUser({ ranges }).command,
  })) as [UserMachine, UserMachine];
  const root = context({ Dockerfile: dockerfile('RUN chown 5000 /bin || true') });
  chmodSync(root, 0o755);
  const owner = async (made: UserMachine) => {
    expect(await wiacAs(made, ['build', '-t', 'made', root])).toMatchObject({ exitCode: 0 });
    return (await wiacAs(made, ['run', 'made', '/bin/stat', '-c%u', '/bin'])).stdout;
  };
  expect(await owner(lacks)).toBe('0');
  expect(await owner(has)).toBe('5000');
  // Outside of the user namespace, as the build had it.
  expect((await wiacAs(has, ['why', root])).stdout).toBe('every step is in the cache');
  expect((await wiacAs(has, ['plan', root])).stdout).toMatch(/ hit .* RUN /);
  expect(await wiacAs(hasFewer, ['build', root])).toMatchObject({
    exitCode: 7,
    stderr: expect.stringMatching(/ranges .* as they were/),
  });
});

test("a program's own mark of an opaque directory hides nothing", async () => {
  const made = getMachine('root');
  const root = context({
    Dockerfile: [
      'FROM scratch AS made',
      'COPY bin /bin',
      'COPY set /',
      'RUN /set',
      'FROM scratch',
      'COPY --from=made /bin /bin',
      'RUN ls /bin/ls',
      '',
    ].join('\n'),
    'set.c':
      '#include <sys/xattr.h>\nint main(void) { return setxattr("/bin", "user.overlay.opaque", "y", 1, 0); }\n',
  });
  await execa('cc', ['-static', '-o', join(root, 'set'), join(root, 'set.c')]);
  expect(await stepOutput(made, root, [])).toEqual(['/bin/ls']);
});
