/** .dockerignore: the reader's rules, the walker's interface, and the whole against a naive reading. */
import { posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compileIgnore,
  type IgnoreMatcher,
  type IgnoreState,
  ignoreFileCandidates,
} from '../../src/fs/select/ignore.js';
import { DockerfileError } from '../../src/util/errors.js';

const compile = (...lines: string[]) => compileIgnore(lines.join('\n'), '.dockerignore');

/** The directories above a path from the root down, then the path. */
function chain(path: string): string[] {
  return path.split('/').map((_, depth, names) => names.slice(0, depth + 1).join('/'));
}

/** As a walk asks: one state handed down from directory to entry. */
function walkTo({ root, child }: IgnoreMatcher, path: string): IgnoreState {
  return chain(path).reduce((state, part) => child(state, part), root);
}

const cleaned = (written: string) => posix.normalize(written.trim().replace(/^!/, '').trim());

/** A pattern as an expression. */
function toExpression(written: string): RegExp {
  const clean = cleaned(written)
    .replace(/(?<=.)\/$/, '')
    .replace(/^\/(?=.)/, '');
  const source = clean.replace(
    /\*\*\/?(\*\*)?$|\*\*\/?|\*|\?|\[[^\]]*\]|\\?[\s\S]/g,
    (part, _, at) => {
      if (part.startsWith('**')) {
        const suffix = at === 0 && part === '**' && !/[*?\\[\]]/.test(clean.slice(2));
        return suffix || at + part.length === clean.length ? '[^]*' : '([^]*/)?';
      }
      if (part === '*') return '[^/]*';
      if (part === '?') return '[^/]';
      if (part.startsWith('[')) return part;
      return (part.startsWith('\\') ? part.slice(1) : part).replace(/[^\w/]/, '\\$&');
    },
  );
  return new RegExp(`^${source}$`);
}

/** What patternmatcher says to a walk: each pattern that could change something, from the top down. */
function naiveIgnores(lines: readonly string[], path: string): boolean {
  const matched = lines.map(() => false);
  let ignored = false;
  for (const part of chain(path)) {
    ignored = false;
    for (const [index, line] of lines.entries()) {
      const exception = line.trim().startsWith('!');
      matched[index] ||= exception === ignored && toExpression(line).test(part);
      if (matched[index]) ignored = !exception;
    }
  }
  return ignored;
}

const component = fc.constantFrom(
  ...['a', 'b', 'c', '.a', 'a.b', '*', '?', '*b', 'a*', 'a?*', '[ab]', '[^a]', '**', '**', '\\a'],
  ...['\\*', '**b', 'a**', 'a**c', '.', '..', 'a+(b)$', '*.b', '***'],
);
const line = fc
  .tuple(
    fc.constantFrom('', '', '!', '! ', ' !', ' '),
    fc.constantFrom('', '', '/', './'),
    fc.array(component, { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '', '/', ' ', '\t'),
  )
  .map(([mark, root, parts, end]) => mark + root + parts.join('/') + end)
  // "!" before the root directory, or before what leads out of it, has a meaning of its own.
  .filter((written) => !/^\s*!/.test(written) || !/^(\/+|\.\.(\/.*)?)$/.test(cleaned(written)));
const lines = fc.array(line, { maxLength: 6 });
const name = fc.constantFrom('a', 'b', 'c', '.a', 'a.b', 'ab', '*', 'a+(b)$');
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));

describe('lines', () => {
  test.each<[string, string[], string[], string[]]>([
    ['spaces around a pattern', ['  a\t', '\u00a0b\u0085'], ['a', 'b'], [' a']],
    ['spaces within', ['a b'], ['a b'], ['a', 'b']],
    ['a comment begins with the line', ['#a', ' #b', 'c#'], ['#b', 'c#'], ['a', '#a', 'c']],
    ['an escaped #', ['\\#a'], ['#a'], ['a']],
    ['an escaped !', ['a', '\\!a'], ['a', '!a'], ['b']],
    ['blank lines', ['', '  ', 'a', ''], ['a'], ['b', ' ']],
    ['CRLF', ['a\r', '#b\r', '!a/b\r', ''], ['a', 'a/c'], ['a/b', 'b']],
    ['BOM', ['\ufeff#a', 'b'], ['b'], ['#a', 'a']],
    ['BOM but on the first line', ['b', '\ufeffa'], ['\ufeffa'], ['a']],
    ['slashes around', ['/a/', '//b//c//'], ['a', 'b/c', 'b/c/d'], ['b', 'x/a']],
    ['dots', ['./a', 'b/../c', 'd/./e', '/../f'], ['a', 'c', 'd/e', 'f'], ['b', 'd', 'e']],
    ['out of the context', ['../a', '..'], [], ['a', '..a']],
    // Docker takes neither for the whole context.
    ['the root', ['.', '/', './', 'a/..'], [], ['a', '.a', 'a/b']],
    ['the root as an exception', ['*', '!.'], ['a', 'a/b'], []],
    ['space after !', ['*', '! a', '!\t/b'], ['c'], ['a', 'b', 'b/c']],
    // The reader takes the slash away before patternmatcher looks for the mark.
    ['/! is an exception', ['a', '/!a'], [], ['a']],
    // Cleaned a second time with its mark, "!.." is a name that the next ".." takes away.
    ['an exception out of the context', ['! ../../a', '!../b', 'b'], ['a', 'b'], []],
    ['!! is an exception of !', ['*', '!!a'], ['a'], ['!a']],
    ['space at the end of a component', ['a /'], ['a'], ['a ']],
    ['a comment cannot follow', ['a # b'], ['a # b'], ['a']],
  ])('%s: %j', (_, written, ignored, kept) => {
    const { ignores } = compile(...written);
    expect(ignored.filter((item) => !ignores(item))).toEqual([]);
    expect(kept.filter((item) => ignores(item))).toEqual([]);
  });

  test('nothing to ask when there is no pattern', () => {
    expect(compile('', '# a', '\ufeff').empty).toBe(false);
    expect(compile('\ufeff', '# a', ' ').empty).toBe(true);
    expect(compile('\ufeff', '# a', ' ').ignores('a')).toBe(false);
    expect(compile('.').empty).toBe(false);
  });

  test.each([
    ['!', 2, 1],
    ['  !  ', 2, 3],
    ['!/', 2, 1],
    ['/!', 2, 1],
    ['a[', 2, 1],
    [' ![a-]', 2, 2],
    ['a/\\', 2, 1],
  ])('%j is an error with its place', (written, at, column) => {
    const place = { file: 'x.dockerignore', line: at, column, endLine: at };
    let thrown: unknown;
    try {
      compileIgnore(`a\r\n${written}\r\nb`, 'x.dockerignore');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(DockerfileError);
    expect(thrown).toMatchObject({ code: 'DOCKERFILE', location: place });
  });

  test('any text gives a matcher or a DockerfileError', () => {
    const unit = fc.constantFrom(...'*?[]!\\/.a# ^-\n\r\t\ufeff');
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit }), fc.string({ unit: 'binary' })),
        path,
        (text, item) => {
          try {
            const matcher = compileIgnore(text, 'file');
            expect(typeof matcher.ignores(item)).toBe('boolean');
            expect(typeof matcher.mayContain(item)).toBe('boolean');
          } catch (error) {
            expect(error).toBeInstanceOf(DockerfileError);
          }
        },
      ),
      { numRuns: 600 },
    );
  });
});

describe('order and directories', () => {
  test.each<[string[], string[], string[]]>([
    // A directory takes all below it along.
    [['a'], ['a', 'a/b', 'a/b/c'], ['b/a', 'ab']],
    [['*'], ['a', '.a', 'a/b'], []],
    [['*/b'], ['a/b', 'a/b/c'], ['b', 'a/c', 'a/c/b']],
    [['**/b'], ['b', 'a/b/c'], ['a', 'ab']],
    [['a/**'], ['a/b', 'a/b/c'], ['a']],
    [['**/.a'], ['.a', 'b/.a'], ['b.a']],
    // The last match decides, be it of the path or of a directory above it.
    [
      ['a', '!a/b'],
      ['a', 'a/c'],
      ['a/b', 'a/b/c'],
    ],
    [['!a/b', 'a'], ['a', 'a/b'], []],
    [
      ['a', '!a/b', 'a/b/c'],
      ['a', 'a/b/c', 'a/b/c/d'],
      ['a/b', 'a/b/d'],
    ],
    // A pattern that could not change anything is not asked, and does not count further down.
    [
      ['a/b', '!a'],
      ['a/b', 'a/b/c'],
      ['a', 'a/c'],
    ],
    [['a', '!a/b', 'a'], ['a'], ['a/b', 'a/b/c']],
    [['*', '!a', 'a/b', '!a'], ['b', 'a/b'], ['a']],
    [['**/c', '!a/b/c/keep'], ['a/b/c', 'a/b/c/drop'], ['a/b/c/keep']],
    [
      ['*', '!**/*.go', '**/*_test.go'],
      ['a', 'a/b.c', 'a/b_test.go'],
      ['a.go', 'a/b/c.go'],
    ],
    [
      ['**', '!a/b/c'],
      ['a', 'a/b', 'a/b/d'],
      ['a/b/c', 'a/b/c/d'],
    ],
  ])('%j', (written, ignored, kept) => {
    const { ignores } = compile(...written);
    expect(ignored.filter((item) => !ignores(item))).toEqual([]);
    expect(kept.filter((item) => ignores(item))).toEqual([]);
  });

  test('the root itself is never ignored', () => {
    const matcher = compile('*', '**', '.', '/');
    expect([matcher.root.ignored, matcher.ignores(''), matcher.mayContain('')]).toEqual([
      ...[false, false, true],
    ]);
  });

  test('a walk and a single question agree with the naive reading', () => {
    let ignored = 0;
    fc.assert(
      fc.property(lines, fc.array(path, { minLength: 1 }), (written, paths) => {
        const matcher = compile(...written);
        for (const item of paths) {
          const expected = naiveIgnores(written, item);
          expect([item, matcher.ignores(item)]).toEqual([item, expected]);
          expect([item, walkTo(matcher, item).ignored]).toEqual([item, expected]);
          if (expected) ignored += 1;
        }
      }),
      { numRuns: 600 },
    );
    expect(ignored).toBeGreaterThan(100);
  });
});

describe('mayContain', () => {
  test.each<[string[], string[], string[]]>([
    [
      ['*', '!a/b/c'],
      ['a', 'a/b', 'a/b/c', 'a/b/c/d'],
      ['b', 'ab', 'a/c', 'a/b/d'],
    ],
    [
      ['*', '!a/*/c'],
      ['a', 'a/x', 'a/x/c'],
      ['b', 'a/x/d'],
    ],
    [['*', '!**/c'], ['a', 'a/b'], []],
    [['*', '!a/**'], ['a', 'a/b'], ['b']],
    // Not ignored: its own entry is in the context.
    [['a/*'], ['a', 'b'], ['a/b', 'a/b/c']],
    // An exception that a later pattern overrules brings nothing back.
    [['!a/b', 'a'], [], ['a', 'a/b']],
    [
      ['*', '!a', 'a/b'],
      ['a', 'a/c'],
      ['a/b', 'a/b/c'],
    ],
  ])('%j', (written, enter, skip) => {
    const { mayContain } = compile(...written);
    expect(enter.filter((item) => !mayContain(item))).toEqual([]);
    expect(skip.filter((item) => mayContain(item))).toEqual([]);
  });

  test('a walk that asks it finds all that is not ignored', () => {
    fc.assert(
      fc.property(lines, path, (written, item) => {
        const matcher = compile(...written);
        fc.pre(!naiveIgnores(written, item));
        for (const directory of chain(item)) {
          expect([directory, matcher.mayContain(directory)]).toEqual([directory, true]);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("the Dockerfile's own ignore file comes before that of the context", () => {
  expect(ignoreFileCandidates('/src/docker/web.Dockerfile', '/src/app')).toEqual([
    '/src/docker/web.Dockerfile.dockerignore',
    '/src/app/.dockerignore',
  ]);
});
