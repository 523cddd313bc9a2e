/** Go's filepath.Match and .dockerignore. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compilePattern, hasWildcard } from '../../src/fs/select/gomatch.js';
import { compileIgnore } from '../../src/fs/select/ignore.js';
import { DockerfileError } from '../../src/util/errors.js';

function matches(pattern: string, path: string): boolean | string {
  const compiled = compilePattern(pattern);
  return compiled.ok ? compiled.matches(path) : compiled.reason;
}

describe('wildcards', () => {
  // The table of Go's own documentation and tests of path/filepath.Match, as facts.
  test.each([
    ['abc', 'abc', true],
    ['*', 'abc', true],
    ['*c', 'abc', true],
    ['a*', 'a', true],
    ['a*', 'ab/c', false],
    ['a*/b', 'abc/b', true],
    ['a*/b', 'a/c/b', false],
    ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
    ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzy', false],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[e-g]', 'abc', false],
    ['ab[^c]', 'abc', false],
    ['ab[^e-g]', 'abc', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'ab', false],
    ['a?b', 'a☺b', true],
    ['a[^a]b', 'a☺b', true],
    ['a[^a][^a]b', 'a☺b', false],
    ['[a-ζ]*', 'α', true],
    ['a?b', 'a/b', false],
    ['[\\]a]', ']', true],
    ['[\\-x]', '-', true],
    ['[x\\-]', 'x', true],
    ['*x', 'xxx', true],
    ['**/a', 'a', true],
    ['**/a', 'b/c/a', true],
    ['a/**', 'a/b/c', true],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    ['a/**/b', 'a/x/y/c', false],
  ])('%s and %s: %s', (pattern, path, expected) => {
    expect(matches(pattern, path)).toBe(expected);
  });

  test.each(['[]a]', '[-]', '[x-]', '[-x]', '[a-b-c]', '[', '[^', '[^bc', 'a[', '\\'])(
    '%s is no pattern',
    (pattern) => {
      expect(compilePattern(pattern).ok).toBe(false);
    },
  );

  test('many stars take polynomial time', () => {
    expect(matches(`${'*a'.repeat(40)}b`, 'a'.repeat(400))).toBe(false);
  });

  test('a literal matches itself alone', () => {
    const literal = fc.string().filter((text) => !hasWildcard(text) && !text.includes('/'));
    fc.assert(fc.property(literal, literal, (a, b) => matches(a, b) === (a === b)));
  });

  test('any pattern and path give an answer', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('*', '?', '[', ']', '^', '-', '\\', '/', 'a', 'b'),
    });
    fc.assert(
      fc.property(nasty, nasty, (pattern, path) =>
        ['boolean', 'string'].includes(typeof matches(pattern, path)),
      ),
    );
  });
});

describe('.dockerignore', () => {
  test.each<[string, string[], string[]]>([
    ['node_modules', ['node_modules', 'node_modules/a/b'], ['src/node_modules', 'node_modules2']],
    ['**/node_modules', ['node_modules/a', 'x/y/node_modules'], ['node_modules2']],
    ['*.log', ['a.log'], ['x/a.log', 'a.logs']],
    ['**/*.log', ['a.log', 'x/y/a.log'], ['a.txt']],
    ['*/temp*', ['a/temporary', 'a/temp/b'], ['temp', 'a/b/temp']],
    ['temp?', ['tempa'], ['temp', 'tempab']],
    ['/build/', ['build', 'build/x'], ['src/build']],
    ['./a/../b', ['b'], ['a']],
    ['*\n!keep', ['a', 'b/keep'], ['keep', 'keep/x']],
    ['*.md\n!README*.md\nREADME-secret.md', ['a.md', 'README-secret.md'], ['README.md']],
    ['!a\na', ['a'], []],
    ['docs\n!docs/keep', ['docs', 'docs/x'], ['docs/keep', 'docs/keep/x']],
    ['# a comment\n  spaces  \n', ['spaces'], ['# a comment', 'comment']],
    ['\uFEFFbom\r\nnext\r\n', ['bom', 'next'], ['other']],
    ['a[b-c]', ['ab', 'ac'], ['ad']],
    ['**', ['a', 'a/b'], []],
    ['foo/**', ['foo/a'], ['bar']],
    ['a.b', ['a.b'], ['axb']],
    ['(x)+$', ['(x)+$'], ['x']],
  ])('%j', (text, ignored, kept) => {
    const { ignores } = compileIgnore(text, '.dockerignore');
    expect(ignored.filter((path) => !ignores(path))).toEqual([]);
    expect(kept.filter((path) => ignores(path))).toEqual([]);
  });

  test('mayContain: below what an exception can bring back, and nowhere else', () => {
    const { mayContain } = compileIgnore('*\n!a/b/c\n', '.dockerignore');
    expect(['a', 'a/b', 'x', 'a/x'].map(mayContain)).toEqual([true, true, false, false]);
    expect(compileIgnore('*\n!**/keep\n', '.dockerignore').mayContain('x')).toBe(true);
    expect(compileIgnore('*\n', '.dockerignore').mayContain('x')).toBe(false);
  });

  test('a lone ! is an error with its line', () => {
    expect(() => compileIgnore('a\n!\n', 'file')).toThrow(
      expect.objectContaining({ location: expect.objectContaining({ line: 2 }) }),
    );
  });

  test('any text gives a matcher or a typed error', () => {
    const line = fc.string({
      unit: fc.constantFrom('*', '?', '[', ']', '!', '\\', '/', '.', 'a', '#', ' ', '^', '-'),
    });
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.constantFrom('a', 'b', '.a')), (lines, path) => {
        try {
          const matcher = compileIgnore(lines.join('\n'), 'file');
          return typeof matcher.ignores(path.join('/')) === 'boolean';
        } catch (error) {
          return error instanceof DockerfileError;
        }
      }),
    );
  });

  test('asking for files in any order gives the same answers as asking afresh', () => {
    const pattern = fc.constantFrom('a', '!a', 'a/b', '!a/b', '*', '**/b', '!**/b', 'a/*', '!b');
    const path = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/'));
    fc.assert(
      fc.property(fc.array(pattern), fc.array(path), (patterns, paths) => {
        const text = patterns.join('\n');
        const shared = compileIgnore(text, 'file');
        return paths.every(
          (item) => shared.ignores(item) === compileIgnore(text, 'file').ignores(item),
        );
      }),
    );
  });
});
