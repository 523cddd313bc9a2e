/** Layers of a new store get places of their own on an ext4 disk. */
import { readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { context, dockerfile, machine, tempDir } from '../support/wiac.js';

test('the directory in which layers are made is marked, where the file system can', async () => {
  const { wiac, root } = machine();
  expect(await wiac(['images'])).toMatchObject({ exitCode: 0, stderr: '' });
  const { stdout: type } = await execa('stat', ['-f', '-c', '%T', root]);
  const listing = await execa('lsattr', ['-d', join(root, 'tmp')], { reject: false });
  if (type === 'ext2/ext3') expect(listing.stdout.split(' ')[0]).toContain('T');
  else expect(listing.stdout).not.toContain('T');
});

test('a store is made where there is no chattr', async () => {
  const path = tempDir();
  for (const name of readdirSync('/usr/bin'))
    if (name !== 'chattr') symlinkSync(join('/usr/bin', name), join(path, name));
  const { wiac } = machine();
  const directory = context({ Dockerfile: dockerfile('RUN echo made') });
  const built = await wiac(['build', '-q', directory], { env: { PATH: path } });
  expect(built).toMatchObject({ exitCode: 0, stderr: '' });
});
