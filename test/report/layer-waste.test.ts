import { expect, test } from '@jest/globals';
import { findWaste } from '../../src/report/layer-waste.js';

/** `path size [digest]`, `path/` a directory, `-path` a whiteout, `=path` an opaque directory, `@path` a link. */
function layer(...lines: string[]) {
  const digests = new Map<string, string>();
  const opaque: string[] = [];
  const entries = lines.map((line) => {
    const [word = '', size = '0', digest] = line.split(' ');
    const path = word.replace(/^[-=@]|\/$/g, '');
    if (digest !== undefined) digests.set(path, digest);
    if (word.startsWith('=')) opaque.push(path);
    const isDirectory = word.endsWith('/') || word.startsWith('=');
    const mode = word.startsWith('-')
      ? 'w'
      : word.startsWith('@')
        ? 'l0777'
        : isDirectory
          ? 'd0755'
          : 'f0644';
    return { path, mode, uid: 0, gid: 0, size: Number(size) };
  });
  return { entries, opaque, digests };
}

const told = (...layers: ReturnType<typeof layer>[]) =>
  findWaste(layers).map(({ kind, path, bytes, layer: at, by, other }) =>
    [kind, path, bytes, at, by, ...(other === undefined ? [] : [other])].join(' '),
  );

test('a file that is overwritten, and one that is overwritten twice', () => {
  expect(told(layer('a 10', 'b 5'), layer('a 20'), layer('a 30'))).toEqual([
    'overwritten a 20 1 2',
    'overwritten a 10 0 1',
  ]);
});

test('a file that is deleted, and a directory with all below it', () => {
  expect(told(layer('a 10', 'd/', 'd/x 3', 'd/e/', 'd/e/y 4', 'dx 1'), layer('-a', '-d'))).toEqual([
    'deleted a 10 0 1',
    'deleted d/e/y 4 0 1',
    'deleted d/x 3 0 1',
  ]);
});

test('an opaque directory hides what was in it, not what comes with it', () => {
  expect(told(layer('d/', 'd/x 3'), layer('=d', 'd/x 5', 'd/z 1'))).toEqual(['deleted d/x 3 0 1']);
});

test('a directory in the place of a file, a file and a link in the place of a directory', () => {
  expect(told(layer('a 10', 'd/', 'd/x 3'), layer('a/', 'a/b 1', 'd 2'))).toEqual([
    'deleted a 10 0 1',
    'deleted d/x 3 0 1',
  ]);
  expect(told(layer('d/', 'd/x 3'), layer('@d'))).toEqual(['deleted d/x 3 0 1']);
});

test('what was deleted and comes back is wasted once', () => {
  expect(told(layer('a 10'), layer('-a'), layer('a 10'))).toEqual(['deleted a 10 0 1']);
});

test('the same content at two paths that can be seen', () => {
  const twice = told(
    layer('a 10 x', 'b 10 x', 'c 10 y', 'e 0 z', 'f 0 z'),
    layer('d/', 'd/a 10 x'),
  );
  expect(twice).toEqual(['twice b 10 0 0 a', 'twice d/a 10 1 0 a']);
  // The one that is deleted is wasted for that.
  expect(told(layer('a 10 x'), layer('b 10 x', '-a'))).toEqual(['deleted a 10 0 1']);
});

test('names of objects are names of files', () => {
  expect(told(layer('__proto__/', '__proto__/constructor 3'), layer('-__proto__'))).toEqual([
    'deleted __proto__/constructor 3 0 1',
  ]);
});
