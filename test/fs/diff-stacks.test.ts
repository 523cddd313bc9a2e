/** What two stacks of layers differ in, beside a comparison of all that they show. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { diffStacks } from '../../src/fs/layer/diff-stacks.js';
import type { Stack } from '../../src/fs/layer/stack.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-diff-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** A layer; `null` is a whiteout, a value that begins with `->` a symbolic link. */
async function layer(
  name: string,
  files: Readonly<Record<string, string | null>>,
  ...opaque: string[]
) {
  const path = join(root, name);
  mkdirSync(path);
  for (const [file, content] of Object.entries(files)) {
    const target = join(path, file);
    mkdirSync(dirname(target), { recursive: true });
    if (content === null) await execa('mknod', [target, 'c', '0', '0']);
    else if (content.startsWith('->')) symlinkSync(content.slice(2), target);
    else writeFileSync(target, content);
  }
  return { path, opaque: new Set(opaque) };
}

const lines = async (before: Stack, after: Stack) =>
  (await diffStacks(before, after)).map(({ path, before: old, after: now, isContent }) =>
    [old ? (now ? 'C' : 'D') : 'A', path, ...(isContent ? ['content'] : [])].join(' '),
  );

test('added, changed and deleted, through whiteouts and opaque directories', async () => {
  const base = await layer('base', {
    ...{ same: '1', changed: '1', length: '1', gone: '1', 'dir/a': '1', 'dir/b': '1' },
    ...{ 'opaque/old': '1', link: '->a', 'tree/deep/file': '1', mode: '1', kind: '1' },
  });
  const top = await layer(
    'top',
    {
      ...{ same: '1', changed: '2', length: '11', gone: null, 'dir/a': null, 'opaque/new': '1' },
      ...{ link: '->b', tree: null, mode: '1', 'kind/inside': '1' },
    },
    'opaque',
  );
  chmodSync(join(top.path, 'mode'), 0o600);
  const changes = [
    ...['C changed content', 'D gone', 'C kind', 'C length content', 'C link', 'C mode', 'D tree'],
    ...['D dir/a', 'A kind/inside', 'A opaque/new', 'D opaque/old', 'D tree/deep'],
    'D tree/deep/file',
  ];
  expect((await lines([base], [top, base])).sort()).toEqual(changes.sort());
  const turned = changes.map((line) => line.replace(/^[AD]/, (at) => (at === 'A' ? 'D' : 'A')));
  expect((await lines([top, base], [base])).sort()).toEqual(turned.sort());
});

test('the same files in other layers are no difference; layers of both are not read', async () => {
  const base = await layer('base', { 'a/b': '1', c: '2' });
  const copy = await layer('copy', { 'a/b': '1', c: '2' });
  expect(await lines([base], [copy])).toEqual([]);
  expect(await lines([base], [copy, base])).toEqual([]);
  const more = await layer('more', { 'a/d': '3' });
  // Whoever reads the base notices that it is gone.
  expect(await lines([base], [more, base])).toEqual(['A a/d']);
  expect(await lines([], [base])).toEqual(['A a', 'A c', 'A a/b']);
});

test('extended attributes, and the mode of the root', async () => {
  const base = await layer('base', { file: '1', dir: '->x', same: '1', gone: '1' });
  const top = await layer('top', { file: '1', same: '1', gone: null, new: '1' });
  const set = (path: string, name: string, value: string) =>
    execa('setfattr', ['-n', name, '-v', value, join(root, path)]);
  await set('base/file', 'user.kept', 'a');
  await set('base/file', 'user.other', 'a');
  await set('base/same', 'user.kept', 'a');
  await set('base/gone', 'user.gone', 'a');
  await set('top/file', 'user.kept', 'a');
  await set('top/file', 'security.capability', '0x0100000200040000000000000000000000000000');
  await set('top/same', 'user.kept', 'a');
  // overlayfs's own say nothing of the file.
  await set('top/same', 'trusted.overlay.origin', 'x');
  await set('top/new', 'user.new', 'b');
  const kept = ['user.kept', '61'] as const;
  const changes = await diffStacks([base], [top, base]);
  expect(changes.map(({ path, before, after }) => [path, before?.xattrs, after?.xattrs])).toEqual([
    [
      'file',
      [kept, ['user.other', '61']],
      [['security.capability', '0100000200040000000000000000000000000000'], kept],
    ],
    ['gone', [['user.gone', '61']], undefined],
    ['new', undefined, [['user.new', '62']]],
  ]);
  chmodSync(top.path, 0o1777);
  expect(await lines([base], [top, base])).toContain('C ');
});
