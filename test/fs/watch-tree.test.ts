/** What is told of a tree that is watched. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { Changes } from '../../src/fs/watch-tree.js';
import { watchError, watchTree } from '../../src/fs/watch-tree.js';
import { toBytes } from '../../src/util/byte-string.js';
import { tempDir } from '../support/wiac.js';

/** A tree that is watched; `seen` waits until something is told that fits. */
function watched(root: string) {
  const told: Changes[] = [];
  let wake = () => {};
  const { close } = watchTree(
    root,
    (path) => path === 'apart',
    (changes) => {
      told.push(changes);
      wake();
    },
  );
  const seen = async (fits: (changes: Changes) => boolean): Promise<void> => {
    while (!told.splice(0).some(fits)) await new Promise<void>((resume) => (wake = resume));
  };
  return { close, seen, of: (path: string) => seen((changes) => changes.includes(path)) };
}

test('directories made at once, moved in, moved within, and put in the place of others', async () => {
  const [root, elsewhere] = [tempDir(), tempDir()];
  const { close, of } = watched(root);
  const write = async (path: string): Promise<void> => {
    writeFileSync(join(root, path), '');
    await of(path);
  };
  try {
    mkdirSync(join(root, 'a/b/c'), { recursive: true });
    mkdirSync(join(root, 'apart'));
    await of('a');
    await write('a/b/c/f');
    mkdirSync(join(elsewhere, 'in/x/y'), { recursive: true });
    renameSync(join(elsewhere, 'in'), join(root, 'a/in'));
    await of('a/in');
    await write('a/in/x/y/f');
    renameSync(join(root, 'a'), join(root, 'z'));
    await of('z');
    await write('z/in/x/y/g');
    rmSync(join(root, 'z/b'), { recursive: true });
    mkdirSync(join(root, 'z/b/c'), { recursive: true });
    writeFileSync(join(root, 'apart/f'), '');
    await of('z/b');
    await write('z/b/c/f');
  } finally {
    close();
  }
});

test('directories whose names are not UTF-8', async () => {
  const root = tempDir();
  const at = (path: string) => Buffer.concat([Buffer.from(`${root}/`), toBytes(path)]);
  mkdirSync(at('there\u{10FFFF}'));
  const { close, of } = watched(root);
  try {
    mkdirSync(at('new\u{10FFFE}'));
    await of('new\u{10FFFE}');
    for (const path of ['there\u{10FFFF}/f', 'new\u{10FFFE}/f\u{10FFFF}']) {
      writeFileSync(at(path), '');
      await of(path);
    }
  } finally {
    close();
  }
});

test('so many changes at once that the kernel may have dropped some: not known which', async () => {
  const root = tempDir();
  const { close, seen, of } = watched(root);
  try {
    // 20,000 events, of which it keeps 16,384; the last ones are of new directories.
    for (let round = 0; round < 10_000; round += 1) writeFileSync(join(root, `f${round % 2}`), 'x');
    mkdirSync(join(root, 'last/one'), { recursive: true });
    await seen((changes) => changes === 'unknown');
    writeFileSync(join(root, 'last/one/f'), '');
    await of('last/one/f');
  } finally {
    close();
  }
});

/** A user namespace has limits of its own. */
test.each([
  ['max_inotify_watches', 3, 'fs.inotify.max_user_watches'],
  ['max_inotify_instances', 0, 'fs.inotify.max_user_instances'],
])('%s: the error names the setting', async (limit, most, setting) => {
  const root = tempDir();
  for (const name of ['a', 'b', 'c']) mkdirSync(join(root, name));
  const attempt = `for (const name of ['.', 'a', 'b', 'c']) require('fs').watch(name)`;
  const { stderr } = await execa(
    'unshare',
    [
      ...['-Ur', 'sh', '-c', `echo ${most} > /proc/sys/user/${limit}; exec "$@"`, 'sh'],
      ...[process.execPath, '-e', attempt],
    ],
    { cwd: root, reject: false },
  );
  const [, code] = /code: '(\w+)'/.exec(stderr) ?? [];
  expect(watchError({ code })).toMatchObject({
    code: 'LIMIT',
    message: expect.stringContaining(setting),
  });
});
