/** Two layers file by file. */
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import type { FileDifference } from '../../src/fs/layer/compare-layers.js';
import { compareLayers } from '../../src/fs/layer/compare-layers.js';
import { tempDir } from '../support/wiac.js';

const { signal } = new AbortController();

async function compare(first: string, second: string, onlyTimes = false) {
  const found: FileDifference[] = [];
  const add = (difference: FileDifference) => void found.push(difference);
  await compareLayers(first, second, add, { onlyTimes, signal });
  return found;
}

/** All files of a layer get one time, that their making does not differ in it. */
async function layer(make: (at: (path: string) => string) => void): Promise<string> {
  const root = join(tempDir(), 'diff');
  mkdirSync(root);
  make((path) => join(root, path));
  await execa('find', [root, '-exec', 'touch', '-h', '-d', '@1', '{}', '+']);
  return root;
}

test('each way in which files can differ', async () => {
  const make = (second: boolean) =>
    layer((at) => {
      for (const name of ['same', 'content', 'length', 'mode', 'owner', 'xattrs', 'kind'])
        if (name !== 'kind' || second) writeFileSync(at(name), `about ${name}`);
      if (!second) symlinkSync('x', at('kind'));
      for (const name of ['d', 'opaque', second ? 'extra' : 'missing']) mkdirSync(at(name));
      writeFileSync(at(second ? 'extra/in' : 'missing/in'), '');
      writeFileSync(at('d/one'), '');
      if (second) writeFileSync(at('d/two'), '');
      else linkSync(at('d/one'), at('d/two'));
      symlinkSync(second ? 'b' : 'a', at('target'));
      if (second) {
        writeFileSync(at('content'), 'about Content');
        writeFileSync(at('length'), 'about length and more');
        chmodSync(at('mode'), 0o4755);
        chownSync(at('owner'), 1, 2);
      }
    });
  const [first, second] = [await make(false), await make(true)];
  await execa('setfattr', ['-n', 'user.a', '-v', 'b', join(second, 'xattrs')]);
  await execa('setfattr', ['-n', 'trusted.overlay.opaque', '-v', 'y', join(first, 'opaque')]);
  for (const [root, kind] of [
    [first, ['c', '1', '3']],
    [second, ['c', '0', '0']],
  ] as const)
    await execa('mknod', [join(root, 'device'), ...kind]);
  for (const root of [first, second]) {
    await execa('touch', ['-d', '@1', join(root, 'device')]);
    utimesSync(root, 1, 1);
  }
  utimesSync(join(second, 'same'), 2, 2);
  const found = await compare(first, second);
  expect(found.map(({ path, aspects }) => [path, ...aspects])).toEqual([
    ['content', 'content'],
    ['d/one', 'links'],
    ['d/two', 'links'],
    ['device', 'device'],
    ['extra'],
    ['kind', 'kind'],
    ['length', 'content'],
    ['missing'],
    ['mode', 'mode'],
    ['opaque', 'opaque'],
    ['owner', 'owner'],
    ['same', 'mtime'],
    ['target', 'target'],
    ['xattrs', 'xattrs'],
  ]);
  const at = (path: string) => found.find((each) => each.path === path);
  expect(at('content')?.content?.offset).toBe('about '.length);
  expect(at('length')?.content).toMatchObject({
    offset: 12,
    first: { size: 12 },
    second: { size: 21 },
  });
  expect(at('target')?.targets).toEqual(['a', 'b']);
  expect(at('xattrs')?.xattrs).toEqual([[], [['user.a', '62']]]);
  expect(await compare(first, second, true)).not.toContainEqual(
    expect.objectContaining({ path: 'content' }),
  );
  expect(await compare(first, first)).toEqual([]);
});

test('a difference in the middle of a large file: the bytes around it, not the file', async () => {
  const size = 5 << 20;
  const place = (3 << 20) + 17;
  const make = (byte: number) =>
    layer((at) => {
      const content = Buffer.alloc(size, 'x');
      content[place] = byte;
      writeFileSync(at('large'), content);
    });
  const [difference] = await compare(await make(0x61), await make(0x62));
  const { offset, first, second } = difference?.content ?? {};
  expect(offset).toBe(place);
  expect(first).toMatchObject({ size, whole: undefined, windowStart: place - 1024 });
  expect(first?.window[1024]).toBe(0x61);
  expect(second?.window).toHaveLength(2048);
});
