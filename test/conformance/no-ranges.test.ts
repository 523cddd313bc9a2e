/**
 * Cases as an ordinary user without ranges in /etc/subuid: nobody but root is in the namespace. Where a case needs
 * another user, the message says so.
 */
import { listCases } from './cases.js';
import type { Difference } from './rootless.js';
import { rootlessConformance } from './rootless.js';

function each(difference: Difference, ...names: string[]): Record<string, Difference> {
  return Object.fromEntries(names.map((name) => [name, difference]));
}

const differences: Readonly<Record<string, Difference>> = {
  ...each(
    {
      why: 'its user is not there without ranges',
      exitCode: 8,
      message: 'in your user namespace\nhint: give your user ranges in /etc/subuid',
    },
    ...[
      'copy/chown-id',
      'copy/chown-name',
      'copy/link',
      'heredoc/copy-chmod-chown',
      'add/tar-chown',
    ],
    ...['run/user', 'run/user-group', 'run/user-home', 'run/user-id', 'workdir/user'],
    'workdir/user-number',
    'run/workdir-closed-to-user',
    ...['mounts/cache-from-two', 'mounts/cache-mode-owner', 'mounts/secret-target'],
  ),
  ...each(
    { why: 'chown(1) can give files to nobody else', exitCode: 5, message: 'Invalid argument' },
    ...['run/chown', 'run/workdir-of-user-alone', 'copy/into-existing-dir', 'workdir/existing'],
  ),
  ...each(
    {
      why: 'the archive has files of another user',
      exitCode: 4,
      message: 'belongs to somebody who is not in your user namespace',
    },
    ...[
      'add/several-archives',
      'add/tar',
      'add/tar-merges',
      'add/tar-over-symlink',
      'add/tar-setuid',
    ],
  ),
};

const names = [
  ...['run', 'mounts', 'workdir'].flatMap(listCases),
  ...Object.keys(differences),
  ...['copy/all', 'copy/xattrs', 'copy/capabilities', 'copy/fifo', 'add/file'],
];

rootlessConformance({ ranges: false, names: [...new Set(names)], differences });
