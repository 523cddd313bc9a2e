/** The root of a container is the same whatever the process that makes its layers looks like. */
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, machine, tempDir } from '../support/wiac.js';

test('neither the umask nor a setgid directory is seen in the root of a layer', async () => {
  const shared = tempDir();
  chownSync(shared, 0, 33);
  chmodSync(shared, 0o2775);
  const { wiac } = machine();
  // The last step's user needs the root that the first one has made.
  const directory = context({
    Dockerfile: dockerfile('RUN mkdir /made\nUSER 1000\nRUN test -d /made && ls -dln / /made'),
  });
  const env = { WIAC_ROOT: join(shared, 'store') };
  const former = process.umask(0o077);
  try {
    const { stdout, stderr, exitCode } = await wiac(['build', directory], { env });
    expect({ stderr, exitCode }).toMatchObject({ exitCode: 0 });
    expect(stderr).toMatch(/\| drwxr-xr-x +\d+ 0 +0 .* \/\n/);
    expect(stderr).toMatch(/\| drwxr-xr-x +\d+ 0 +0 .* \/made\n/);
    for (const layer of stdout.trim().split(':')) {
      const { mode, uid, gid } = statSync(layer);
      expect({ mode: mode & 0o7777, uid, gid }).toEqual({ mode: 0o755, uid: 0, gid: 0 });
    }
  } finally {
    process.umask(former);
  }
});

test('a store in a setgid directory hands nothing down to what is fetched into it', async () => {
  const shared = tempDir();
  chownSync(shared, 0, 33);
  chmodSync(shared, 0o2775);
  const repository = join(tempDir(), 'r.git');
  const git = ['-c', 'user.name=n', '-c', 'user.email=e', '-c', 'init.defaultBranch=main'];
  for (const words of [
    ['init', '-q', repository],
    ['-C', repository, 'commit', '-q', '--allow-empty', '-m', 'empty'],
  ])
    await execa('git', [...git, ...words]);
  mkdirSync(join(repository, 'd'));
  writeFileSync(join(repository, 'd/f'), '');
  await execa('git', ['-C', repository, 'add', 'd']);
  await execa('git', [...git, '-C', repository, 'commit', '-q', '-m', 'd']);
  const { wiac } = machine();
  // Not the only thing in there: the directory keeps its mode.
  writeFileSync(join(shared, 'other'), '');
  const env = { WIAC_ROOT: shared };
  const directory = context({ Dockerfile: `FROM scratch\nADD file://${repository} /r\n` });
  const { stdout, stderr } = await wiac(['build', '-q', directory], { env });
  expect(stderr).toBe('');
  const { mode, gid } = statSync(join(stdout.trim(), 'r/d'));
  expect({ mode: mode & 0o7777, gid }).toEqual({ mode: 0o755, gid: 0 });
});
