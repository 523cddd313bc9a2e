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

const lines = (before: Stack, after: Stack) =>
  [...diffStacks(before, after)].map(({ path, before: old, after: now, isContent }) =>
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
  expect(lines([base], [top, base]).sort()).toEqual(changes.sort());
  const turned = changes.map((line) => line.replace(/^[AD]/, (at) => (at === 'A' ? 'D' : 'A')));
  expect(lines([top, base], [base]).sort()).toEqual(turned.sort());
});

test('the same files in other layers are no difference; layers of both are not read', async () => {
  const base = await layer('base', { 'a/b': '1', c: '2' });
  const copy = await layer('copy', { 'a/b': '1', c: '2' });
  expect(lines([base], [copy])).toEqual([]);
  expect(lines([base], [copy, base])).toEqual([]);
  const more = await layer('more', { 'a/d': '3' });
  // Whoever reads the base notices that it is gone.
  expect(lines([base], [more, base])).toEqual(['A a/d']);
  expect(lines([], [base])).toEqual(['A a', 'A c', 'A a/b']);
});
