/** Which names several layers show together. */
import { expect, test } from '@jest/globals';
import { mergeDirectory } from '../../src/fs/merge-layers.js';

/** A layer is a list of names: `d/` a directory, `d!` an opaque one, `-d` a whiteout, `d` a file. */
function merged(...layers: string[]): string {
  const plain = (text: string) => text.replace(/^-|[/!]$/g, '');
  const numbers = [...layers.keys()];
  const getWords = (number: number) => layers[number]?.split(' ') ?? [];
  const found = mergeDirectory(numbers, {
    list: (number) => getWords(number).map((text) => [plain(text), text] as const),
    getKind: (_, __, text) =>
      text.startsWith('-') ? 'whiteout' : /[/!]$/.test(text) ? 'directory' : 'other',
    isOpaque: (number, name) => getWords(number).includes(`${name}!`),
  });
  return [...found]
    .filter(([, { kind }]) => kind !== 'whiteout')
    .map(([name, { kind, layers: from }]) =>
      kind === 'directory' ? `${name}:${from.join('')}` : name,
    )
    .join(' ');
}

test.each([
  [['a', 'b'], 'a b'],
  [['a', 'a'], 'a'],
  [['-a', 'a'], ''],
  [['d/', 'd/', 'd/'], 'd:012'],
  [['d/', 'd!', 'd/'], 'd:01'],
  [['d!', 'd/'], 'd:0'],
  [['d/', '-d', 'd/'], 'd:0'],
  [['d/', 'd', 'd/'], 'd:0'],
  [['d', 'd/'], 'd'],
  [['x', '-d x', 'd/ y'], 'x y'],
])('%j', (layers, shown) => {
  expect(merged(...layers)).toBe(shown);
});
