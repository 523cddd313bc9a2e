/** BUILDX_GIT_LABELS: which commit an image was built from. */
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { warmMachines } from '../support/warm-command.js';
import { context, tempDir, writeTree } from '../support/wiac.js';

const machine = warmMachines();

test('labels of the commit, and of the repository with `full`; --label wins', async () => {
  const top = context({});
  writeTree(top, { 'app/Dockerfile': 'FROM scratch\nLABEL own=1\n' });
  const git = async (...args: string[]) =>
    (await execa('git', ['-c', 'user.name=n', '-c', 'user.email=e', ...args], { cwd: top })).stdout;
  await git('init', '-q');
  await git('add', '.');
  await git('commit', '-qm', 'first');
  await git('remote', 'add', 'origin', 'https://user:secret@example.org/r.git');
  const commit = await git('rev-parse', 'HEAD');
  const { wiac } = machine();
  const labels = async (env: Readonly<Record<string, string>>, ...flags: string[]) => {
    const built = await wiac(['build', '-q', '-t', 'x', ...flags, join(top, 'app')], { env });
    expect(built).toMatchObject({ exitCode: 0, stderr: '' });
    const args = ['inspect', 'x', '--format', '{{json .Config.Labels}}'];
    return JSON.parse((await wiac(args)).stdout);
  };
  const some = {
    own: '1',
    'com.docker.image.source.entrypoint': 'app/Dockerfile',
    'org.opencontainers.image.revision': commit,
  };
  expect(await labels({})).toEqual({ own: '1' });
  expect(await labels({ BUILDX_GIT_LABELS: '1' })).toEqual(some);
  const all = { ...some, 'org.opencontainers.image.source': 'https://example.org/r.git' };
  expect(await labels({ BUILDX_GIT_LABELS: 'full' })).toEqual(all);
  const flag = ['--label', 'org.opencontainers.image.revision=mine'];
  expect(await labels({ BUILDX_GIT_LABELS: '1' }, ...flag)).toMatchObject({
    'org.opencontainers.image.revision': 'mine',
  });
  writeFileSync(join(top, 'new'), '');
  const dirty = { BUILDX_GIT_LABELS: '1', BUILDX_GIT_CHECK_DIRTY: '1' };
  expect(await labels(dirty)).toMatchObject({
    'org.opencontainers.image.revision': `${commit}-dirty`,
  });
});

test('no repository is a warning, a value that means nothing an error', async () => {
  const root = context({ Dockerfile: 'FROM scratch\n' });
  const { wiac } = machine();
  const none = await wiac(['build', '-q', root], { env: { BUILDX_GIT_LABELS: '1' } });
  expect(none).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('knows no commit') });
  const wrong = await wiac(['build', root], { env: { BUILDX_GIT_LABELS: 'many' } });
  expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('or full') });
});

test.each([
  ['a filter', 'evil', (ran: string) => `[filter "evil"]\n\tclean = touch ${ran}; cat\n`],
  [
    'a filter with an odd name',
    'a=b',
    (ran: string) => `[filter "a=b"]\n\tprocess = touch ${ran}\n`,
  ],
  [
    'a server for what is missing',
    '',
    (ran: string) =>
      `[core]\n\trepositoryFormatVersion = 1\n[extensions]\n\tpartialClone = o\n[remote "o"]\n\turl = /tmp\n\tpromisor = true\n\tuploadPack = touch ${ran};\n`,
  ],
])("no command of a working tree's own settings is run: %s", async (_, filter, settings) => {
  const top = context({ Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'one' });
  const git = (...args: string[]) =>
    execa('git', ['-c', 'user.name=n', '-c', 'user.email=e', ...args], { cwd: top });
  await git('init', '-q');
  await git('add', '.');
  await git('commit', '-qm', 'first');
  const ran = join(tempDir(), 'ran');
  writeFileSync(join(top, '.gitattributes'), `* filter=${filter || 'none'}\n`);
  writeFileSync(join(top, 'f'), 'two');
  if (filter === '') {
    const { stdout } = await git('rev-parse', 'HEAD');
    rmSync(join(top, '.git/objects', stdout.slice(0, 2), stdout.slice(2)));
  }
  appendFileSync(join(top, '.git/config'), settings(ran));
  const env = { BUILDX_GIT_LABELS: 'full', BUILDX_GIT_CHECK_DIRTY: '1' };
  expect(await machine().wiac(['build', '-q', top], { env })).toMatchObject({ exitCode: 0 });
  expect(existsSync(ran)).toBe(false);
});
