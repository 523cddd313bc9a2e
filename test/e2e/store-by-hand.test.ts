/** A store that somebody has changed by hand: it goes on with what is left. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { ordinaryUser, stepOutput, wiacAs } from '../support/rootless.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, ranSteps, tempDir } from '../support/wiac.js';

const machine = warmMachines();

const text = dockerfile('RUN echo one > /one', 'RUN echo two > /two');

async function built() {
  const made = machine();
  const root = context({ Dockerfile: text });
  await made.build(root, '-t', 'kept');
  const verify = async () => {
    const { exitCode, stderr } = await made.wiac(['cache', 'verify']);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  };
  return { ...made, context: root, store: made.root, verify };
}

test.each(['{}', '[]', '{"written":{"at":1,"boot":"x"},"record":{"key":1}}', 'no JSON'])(
  'a record that is %s is as good as none, the others are kept',
  async (content) => {
    const { store, build, verify, wiac, context: root } = await built();
    const entries = join(store, 'records/entries');
    const [first = ''] = readdirSync(entries);
    writeFileSync(join(entries, first), content);
    rmSync(join(store, 'index'), { recursive: true });
    const { events } = await build(root);
    expect(ranSteps(events).length).toBeLessThanOrEqual(1);
    await verify();
    expect((await wiac(['images', '-q'])).stdout.trim().split('\n')).toHaveLength(1);
  },
);

test.each(['l', 'tmp', 'live', 'mounts'])('%s/ is made again when it is gone', async (folder) => {
  const { store, build, verify, context: root } = await built();
  rmSync(join(store, folder), { recursive: true });
  const { events, lowerdirs } = await build(root);
  expect(ranSteps(events)).toEqual([]);
  for (const directory of lowerdirs.split(':')) expect(readdirSync(directory).length).toBe(1);
  await verify();
});

test.each([
  ['the index is a file', (index: string) => writeFileSync(index, '')],
  [
    'its data is a directory',
    (index: string) => mkdirSync(join(index, 'data.mdb'), { recursive: true }),
  ],
])('%s: it is made again', async (_what, spoil) => {
  const { store, build, verify, context: root } = await built();
  rmSync(join(store, 'index'), { recursive: true });
  spoil(join(store, 'index'));
  expect(ranSteps((await build(root)).events)).toEqual([]);
  await verify();
});

describe('a copy of a store', () => {
  const removes = dockerfile(
    'RUN mkdir /d && echo removed >/d/old',
    'RUN rm -r /d && mkdir /d && echo made >/d/new',
    'RUN chown 7:7 /d/new && chmod 4755 /d/new && ls -ln /d',
  );
  const tar = (...flags: readonly string[]) =>
    `mkdir $2 && tar -C $1 ${flags.join(' ')} -cf - . | tar -C $2 ${flags.join(' ')} -xf -`;

  async function copied(script: string) {
    const { root, wiac } = machine();
    const ctx = context({ Dockerfile: removes });
    expect(await wiac(['build', ctx])).toMatchObject({ exitCode: 0 });
    const copy = `${root}.copy`;
    await execa('sh', ['-ec', script, 'sh', root, copy]);
    writeFileSync(join(ctx, 'Dockerfile'), `${removes}RUN ls -ln /d | wc -l\n`);
    const inCopy = (...words: readonly string[]) => wiac(words, { env: { WIAC_ROOT: copy } });
    return { copy, ctx, inCopy, wiac };
  }

  test.each([
    ['tar', tar(), 'marks of overlayfs'],
    ['tar, user attributes', tar('--xattrs'), 'marks of overlayfs'],
    ['cp -r', 'cp -r $1 $2', 'owners, modes, hard links, marks of overlayfs'],
    ['another mode', 'cp -a $1 $2; chmod -R go= $2', 'modes'],
  ])('without what its layers need is not used: %s', async (_, script, lost) => {
    const { ctx, copy, inCopy } = await copied(script);
    for (const words of [
      ['build', ctx],
      ['build', ctx],
      ['cache', 'ls'],
    ]) {
      const { exitCode, stderr } = await inCopy(...words);
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 7,
        stderr: expect.stringContaining(`the store ${copy} was copied or changed`),
      });
      expect(stderr).toContain(`what its layers need: ${lost}`);
    }
  });

  test('of another owner is not used', async () => {
    const { copy, ctx, inCopy } = await copied('cp -a $1 $2; chown -R 7 $2');
    const { exitCode, stderr } = await inCopy('build', ctx);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining(`the store ${copy} is not used`),
    });
    expect(stderr).toContain('is of another user (7)');
  });

  test.each([
    ['cp -a', 'cp -a $1 $2'],
    ['tar', tar('--numeric-owner', '--acls', '--xattrs', '--xattrs-include=*')],
    ['mv', 'mv $1 $2'],
    ['without sample/', 'cp -a $1 $2; rm -r $2/sample'],
    ['a note that is empty', 'cp -a $1 $2; >$2/sample/seen.json'],
  ])('with all of that is as good: %s', async (_, script) => {
    const { ctx, inCopy } = await copied(script);
    const { exitCode, stderr } = await inCopy('build', '--progress=plain', ctx);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(stderr).toContain('4 steps cached, 1 run');
    expect(await inCopy('cache', 'verify')).toMatchObject({ exitCode: 0 });
  });

  test('other users in the namespace: the owners of its files are others', async () => {
    const below = tempDir();
    const { home, command, env } = ordinaryUser({ below });
    const made = { root: join(home, 'store'), command, env, tmp: join(home, 'tmp') };
    const ctx = context({ Dockerfile: removes });
    await stepOutput(made, ctx, []);
    for (const name of ['subuid', 'subgid'])
      writeFileSync(
        join(below, name),
        readFileSync(join(below, name), 'utf8').replace('200000', '300000'),
      );
    expect(await wiacAs(made, ['build', ctx])).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining('what its layers need: owners'),
    });
  });
});
