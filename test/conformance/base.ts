/** The image that cases are based on: busybox, users, and files for instructions to meet. */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { writeTree } from '../support/wiac.js';

const APPLETS =
  'sh ls cat echo printf chmod chown mkdir rm rmdir id ps sleep touch env pwd readlink ln grep true false stat head test mv cp sed tr sort wc ip df mount find cut xargs';

const FILES = {
  'etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\nother:x:1001:50::/:/bin/sh\n',
  'etc/group': 'root:x:0:\nstaff:x:50:app\napp:x:1000:\nextra:x:70:app\n',
  'etc/hosts': '',
  'etc/resolv.conf': '',
  'etc/hostname': '',
  'base/file': 'from the base\n',
  'base/dir/inner': 'inner\n',
  'base/link': '-> dir',
  'base/absolute': '-> /base/dir',
};

/**
 * Writes the image as an OCI layout with the name `base`.
 * @param owned a user has a home; else all files are root's
 * @returns its directory
 */
export async function makeBase(directory: string, owned = true): Promise<string> {
  const root = join(directory, 'base-root');
  for (const path of ['bin', 'dev', 'proc', 'sys', 'run', 'tmp', 'root', 'home/app', 'etc', 'base'])
    mkdirSync(join(root, path), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of APPLETS.split(' ')) symlinkSync('busybox', join(root, 'bin', applet));
  writeTree(root, FILES);
  chmodSync(join(root, 'tmp'), 0o1777);
  chmodSync(join(root, 'base/file'), 0o640);
  if (owned) await execa('chown', ['-R', '1000:1000', join(root, 'home/app')]);
  const layout = join(directory, 'base-layout');
  const tar = join(directory, 'base.tar');
  await execa('tar', ['--sort=name', '--numeric-owner', '-cf', tar, '-C', root, '.']);
  await execa('umoci', ['init', '--layout', layout]);
  await execa('umoci', ['new', '--image', `${layout}:base`]);
  await execa('umoci', ['raw', 'add-layer', '--image', `${layout}:base`, tar]);
  await execa('umoci', [
    'config',
    '--image',
    `${layout}:base`,
    '--config.env',
    'PATH=/bin',
    '--config.cmd',
    '/bin/sh',
    '--config.label',
    'made.by=base',
  ]);
  return layout;
}
