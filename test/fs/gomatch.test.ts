/** Go's filepath.Match, and `**` as Docker adds it, against a matcher that tries everything. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compilePattern,
  type DoubleStar,
  hasWildcard,
  literalPrefix,
  matchPath,
} from '../../src/fs/select/gomatch.js';

function compile(pattern: string, doubleStar?: DoubleStar) {
  const compiled = compilePattern(pattern, doubleStar);
  if (!compiled.ok) throw new Error(`${pattern}: ${compiled.reason}`);
  return compiled;
}

/** A piece of a pattern and what it takes from the rest of a path: the lengths it may have. */
interface Piece {
  readonly text: string;
  readonly lengths: (rest: string) => number[];
}

const upTo = (count: number) => Array.from({ length: count + 1 }, (_, length) => length);
const single = (text: string, accepts: (char: string) => boolean): Piece => ({
  text,
  lengths: (rest) => (rest !== '' && accepts(rest.charAt(0)) ? [1] : []),
});
const literal = (char: string, text = char) => single(text, (other) => other === char);
const STAR: Piece = { text: '*', lengths: (rest) => upTo(`${rest}/`.indexOf('/')) };
const DIRECTORIES: Piece = {
  text: '**/',
  lengths: (rest) => upTo(rest.length).filter((n) => n === 0 || rest.charAt(n - 1) === '/'),
};
const REST: Piece = { text: '**', lengths: (rest) => upTo(rest.length) };
const PIECES: readonly Piece[] = [
  literal('a'),
  literal('b'),
  literal('/'),
  literal('*', '\\*'),
  literal('a', '\\a'),
  literal('+'),
  single('?', (char) => char !== '/'),
  single('[ab]', (char) => 'ab'.includes(char)),
  single('[a-c*]', (char) => 'abc*'.includes(char)),
  single('[c-a]', () => false),
  single('[^a]', (char) => char !== 'a'),
  single('[\\]^]', (char) => ']^'.includes(char)),
];

function triesEverything(pieces: readonly Piece[], path: string): boolean {
  const known = new Map<string, boolean>();
  const from = (piece: number, at: number): boolean => {
    const key = `${piece} ${at}`;
    const answer =
      known.get(key) ??
      pieces[piece]?.lengths(path.slice(at)).some((length) => from(piece + 1, at + length)) ??
      at === path.length;
    known.set(key, answer);
    return answer;
  };
  return from(0, 0);
}

const somePath = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', '/', '*', ']', '+'),
  maxLength: 9,
});
const text = (pieces: readonly Piece[]) => pieces.map((piece) => piece.text).join('');
const stars = fc
  .array(fc.oneof(fc.constant(STAR), fc.constantFrom(...PIECES)), { maxLength: 9 })
  // Two stars at the beginning, or after a slash and before another, would be a `**`.
  .filter((pieces) => !text(pieces).replace(/\\\*/g, '').includes('**'));
// Without a slash, and without two stars in a row, which could be a `**`.
const withinName = fc
  .array(fc.oneof(fc.constant(STAR), fc.constantFrom(...PIECES)), { maxLength: 4 })
  .map((pieces) =>
    pieces.filter(
      (piece, at) => piece.text !== '/' && !(piece === STAR && pieces[at - 1] === STAR),
    ),
  )
  .filter((pieces) => !text(pieces).replace(/\\\*/g, '_').includes('**'));
const components = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.constant([DIRECTORIES]),
        withinName.map((pieces) => [...pieces, literal('/')]),
      ),
      { maxLength: 4 },
    ),
    fc.constantFrom([REST], [literal('a')], [STAR]),
  )
  .map(([parts, end]) => [...parts.flat(), ...end]);

/** A pattern and a path that it matches. */
const matching = fc
  .array(
    fc.constantFrom(
      ...[
        ['a', 'a'],
        ['b/', 'b/'],
        ['*', ''],
        ['*', 'bc'],
        ['?', '😀'],
        ['[^/]', 'x'],
        ['/', '/'],
      ],
      ...[
        ['/**/', '/'],
        ['/**/', '/x/y/'],
        ['\\*', '*'],
      ],
    ),
  )
  .map((pairs): [string, string] => {
    // A path ends in a name, so that it is below all of its directories.
    const side = (index: 0 | 1) => `${pairs.map((pair) => pair[index]).join('')}a`;
    return [side(0), side(1)];
  });

describe('Go', () => {
  test.each([
    ['', '', true],
    ['', 'a', false],
    ['a*', 'abc', true],
    ['*', 'a/b', false],
    ['a???b', 'a☺b', false],
    ['?', '😀', true],
    ['[^a]', '😀', true],
    ['[☺-😀]', '😀', true],
    ['*[a-ζ]', 'A', false],
    ['[!a]', '!', true],
    ['[a^]', '^', true],
    ['[c-a]', 'b', false],
    ['[^c-a]', 'b', true],
    ['a.c', 'abc', false],
    ['a|b*', 'axx', false],
    ['\\d', 'd', true],
    ['\\d', '1', false],
    ['a\\/b', 'a/b', true],
    ['a/', 'a', false],
    ['a?c', 'a\nc', true],
    ['a*c', 'a\n\nc', true],
    // Only `*` and `?` stop at a slash.
    ['a[^b]c', 'a/c', true],
    ['a[/]c', 'a/c', true],
    // Two stars are one.
    ['**', 'a/b', false],
    ['**/b', 'a/b', true],
    ['**/b', 'a/a/b', false],
  ])('%j and %j: %s', (pattern, path, expected) => {
    expect(matchPath(pattern, path)).toBe(expected);
  });

  test.each(['[', '[]', '[^]', 'a[-b]', '[a-]', '[a', '[a\\', '\\', 'a*[', '**/[', '[a-b-c]'])(
    '%j is malformed, whatever the path',
    (pattern) => {
      for (const mode of ['never', 'component', 'anywhere'] as const) {
        expect(compilePattern(pattern, mode)).toEqual({ ok: false, reason: expect.any(String) });
      }
      expect(matchPath(pattern, pattern)).toBe(false);
    },
  );

  test('the same answers as trying everything', () => {
    fc.assert(
      fc.property(stars, somePath, (pieces, path) => {
        expect(matchPath(text(pieces), path)).toBe(triesEverything(pieces, path));
      }),
      { numRuns: 3000 },
    );
  });

  test('paths of any length follow the same rules', () => {
    fc.assert(
      fc.property(stars, somePath, fc.constantFrom('a', '/', 'ab'), (pieces, path, filler) => {
        const long = filler.repeat(600) + path;
        const most = [literal('a'), STAR, ...pieces];
        fc.pre(!text(most).replace(/\\\*/g, '').includes('**'));
        expect(matchPath(text(most), long)).toBe(triesEverything(most, long));
      }),
      { numRuns: 100 },
    );
  });

  test('a path matches the pattern it was made from', () => {
    fc.assert(fc.property(matching, ([pattern, path]) => compile(pattern).matches(path)));
  });
});

describe('**', () => {
  test.each<[string, string, boolean]>([
    ['**', 'a', true],
    ['**', 'a/b', true],
    ['**/**', 'a/b', true],
    ['a/**', 'a', false],
    ['a/**', 'a/b', true],
    ['a/**', 'ab', false],
    ['**/a', 'xa', false],
    ['**/a', 'x/y/a', true],
    ['**/**/*.txt', 'file.txt', true],
    ['a/**/b', 'a/xb', false],
    ['a/**/**/b', 'a/b', true],
    ['**/d/*', 'x/d/f', true],
    ['**/d/*', 'x/d/e/f', false],
  ])('a component %j and %j: %s', (pattern, path, expected) => {
    expect(compile(pattern).matches(path)).toBe(expected);
    expect(compile(pattern, 'anywhere').matches(path)).toBe(expected);
  });

  test.each<[string, string, boolean, boolean]>([
    ['a**/*.txt', 'a/file.txt', true, true],
    ['a**/*.txt', 'a/d/file.txt', false, true],
    ['a**/*.txt', 'afile.txt', false, true],
    ['a**b', 'a/x/b', false, true],
    ['a**b', 'axb', true, false],
    ['a**', 'abc/d', false, true],
    ['a*.txt**', 'a.txt/x', false, true],
    ['**file', 'myfile', true, true],
    ['**file', 'd/myfile', false, true],
    // Only before literal text a leading `**` takes a part of a name.
    ['**fil?', 'myfile', true, false],
    ['**fil?', 'd/file', false, true],
    ['***', 'a/b', false, true],
  ])('%j and %j, as two stars %s, anywhere %s', (pattern, path, component, anywhere) => {
    expect(compile(pattern).matches(path)).toBe(component);
    expect(compile(pattern, 'anywhere').matches(path)).toBe(anywhere);
  });

  test('the same answers as trying everything', () => {
    fc.assert(
      fc.property(components, somePath, (pieces, path) => {
        const expected = triesEverything(pieces, path);
        expect(compile(text(pieces)).matches(path)).toBe(expected);
        expect(compile(text(pieces), 'anywhere').matches(path)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  test.each<[string, string, boolean]>([
    ['a/b/c', 'a', true],
    ['a/b/c', 'a/b', true],
    ['a/b/c', 'a/b/c', false],
    ['a/b/c', 'ab', false],
    ['a/*/c', 'a/x', true],
    ['a/*/c', 'a/x/c', false],
    ['a/*', 'b', false],
    ['*', 'a', false],
    ['**/c', 'x/y/z', true],
    ['a/**', 'a/b', true],
    ['a/**', 'b', false],
    ['a/?/[b-d]', 'a/xy', false],
    ['?/', 'a', false],
  ])('%j may match below %j: %s', (pattern, directory, expected) => {
    expect(compile(pattern).matchesBelow(directory)).toBe(expected);
  });

  test('what matches is below what its directories say', () => {
    fc.assert(
      fc.property(matching, ([pattern, path]) => {
        const names = path.split('/');
        for (let depth = 1; depth < names.length; depth++) {
          const directory = names.slice(0, depth).join('/');
          expect([directory, compile(pattern).matchesBelow(directory)]).toEqual([directory, true]);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('many stars end in polynomial time', () => {
    const path = 'a/'.repeat(1000);
    expect(compile(`${'*a'.repeat(50)}b*`).matches('a'.repeat(2000))).toBe(false);
    expect(compile(`${'**/a/'.repeat(50)}b*`).matches(path)).toBe(false);
    expect(compile(`${'**a'.repeat(50)}?b*`, 'anywhere').matches(path)).toBe(false);
  });
});

describe('what a pattern says without matching', () => {
  test.each([
    ['a/b', false],
    ['a*', true],
    ['a?', true],
    ['[a', true],
    ['a\\b', true],
    ['a]{b}!^', false],
  ])('%j has a wildcard: %s', (pattern, expected) => {
    expect(hasWildcard(pattern)).toBe(expected);
  });

  test.each([
    ['a/b/*.c', 'a/b'],
    ['a/b', 'a/b'],
    ['*', ''],
    ['a*/b', ''],
    ['a/**/b', 'a'],
    ['/a/?', '/a'],
    ['a/\\b/c', 'a'],
    ['a/[b/c]', 'a'],
  ])('the literal prefix of %j is %j', (pattern, expected) => {
    expect(literalPrefix(pattern)).toBe(expected);
  });

  test('whatever matches is the literal prefix or below it', () => {
    fc.assert(
      fc.property(matching, ([pattern, path]) => {
        const prefix = literalPrefix(pattern);
        expect(prefix === '' || `${path}/`.startsWith(`${prefix}/`)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
