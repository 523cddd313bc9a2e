// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a Dockerfile refers to a variable
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { excerpt } from '../../src/dockerfile/excerpt.js';
import { expand, expandWords } from '../../src/dockerfile/expand.js';
import { compileGlob, replaceMatches, trimPrefix, trimSuffix } from '../../src/dockerfile/glob.js';
import { parseMount } from '../../src/dockerfile/mount-flags.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { DockerfileError } from '../../src/util/errors.js';
import { HERE } from './helpers.js';

/** The result of `action`, or the DockerfileError that it threw; anything else is rethrown. */
function attempt<T>(action: () => T): T | DockerfileError {
  try {
    return action();
  } catch (error) {
    if (error instanceof DockerfileError) return error;
    throw error;
  }
}

const text = (...pieces: string[]) =>
  fc
    .array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(...pieces) },
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join(''));
const KEYWORDS =
  'FROM|run|COPY|ADD|ENV|ARG|LABEL|CMD|ENTRYPOINT|SHELL|VOLUME|EXPOSE|HEALTHCHECK|ONBUILD RUN|onbuild|USER|  WORKDIR|#|X';
const operands = text(
  ...[
    'a',
    ' ',
    ' b ',
    '\t',
    '=',
    ' c=d',
    '"',
    "'",
    '[',
    ']',
    '["a"',
    ', "b"]',
    '\\',
    '`',
    '$',
    ' AS ',
  ],
  ...[
    ' <<EOF ',
    '<<-"EOF"',
    '\nEOF\n',
    '\r\n',
    '\\\n',
    ' \\\n# c\n',
    '`\n',
    '\n',
    '--',
    'NONE',
    'CMD ',
  ],
);
const dockerfiles = fc
  .tuple(
    fc.constantFrom(
      '',
      '',
      '# escape=`\n',
      '# syntax=docker/dockerfile:1\n',
      '\ufeff',
      '# check=a\n# escape=x\n',
    ),
    fc.array(
      fc
        .tuple(
          fc.constantFrom(...KEYWORDS.split('|')),
          fc.constantFrom(' ', ' --link ', ' '),
          operands,
        )
        .map((parts) => parts.join('')),
      { maxLength: 4 },
    ),
  )
  .map(([head, lines]) => `${head}${['FROM scratch', ...lines].join('\n')}`);
const words = text(
  ...[
    '$',
    '${',
    '}',
    ':',
    '-',
    '+',
    '?',
    '#',
    '%',
    '/',
    '*',
    '\\',
    '`',
    '"',
    "'",
    ' ',
    'v',
    'w',
    '$v',
  ],
);

describe('the parser', () => {
  test('makes of any text a Dockerfile or a DockerfileError that points into it', () => {
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: dockerfiles }, operands), (source) => {
        const result = attempt(() => parseDockerfile(source, 'f'));
        const lines = source.replace(/^\ufeff/, '').split('\n');
        const places =
          result instanceof DockerfileError
            ? [result.location]
            : result.instructions.map((item) => item.location);
        for (const { line, column, endLine } of places) {
          expect(line).toBeGreaterThanOrEqual(1);
          expect(endLine).toBeGreaterThanOrEqual(line);
          expect(endLine).toBeLessThanOrEqual(lines.length);
          expect(column).toBeGreaterThanOrEqual(1);
          expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1);
        }
        if (result instanceof DockerfileError) expect(result.hint).toBeTruthy();
        else expect(excerpt(result.lines, places[0] ?? HERE)).not.toBe('');
      }),
      { numRuns: 3000 },
    );
  });

  test('finds every instruction at the place where its keyword stands', () => {
    fc.assert(
      fc.property(dockerfiles, (source) => {
        const result = attempt(() => parseDockerfile(source, 'f'));
        if (result instanceof DockerfileError) return;
        for (const { keyword, location } of result.instructions) {
          const rest = (result.lines[location.line - 1] ?? '').slice(location.column - 1);
          // A keyword may itself be continued; then only its beginning stands there.
          const common = rest.startsWith(keyword) || /[\\`]\s*$/.test(rest);
          expect(common).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('line ends do not matter outside of heredocs', () => {
    fc.assert(
      fc.property(dockerfiles, (source) => {
        fc.pre(!source.includes('\r') && !source.includes('<<'));
        const unix = attempt(() => parseDockerfile(source, 'f'));
        const dos = attempt(() => parseDockerfile(source.replaceAll('\n', '\r\n'), 'f'));
        expect(dos).toEqual(unix);
      }),
    );
  });

  test('is tested with files that it accepts, and with files that it does not', () => {
    const accepted = fc
      .sample(dockerfiles, { numRuns: 1000, seed: 1 })
      .filter(
        (source) => !(attempt(() => parseDockerfile(source, 'f')) instanceof DockerfileError),
      );
    expect(accepted.length).toBeGreaterThan(200);
    expect(accepted.length).toBeLessThan(900);
  });
});

describe('the expander', () => {
  test('makes of any word a text or a DockerfileError', () => {
    const lookup = (name: string) => ({ v: 'a*b/c d', w: '' })[name];
    fc.assert(
      fc.property(words, fc.constantFrom('\\' as const, '`' as const), (word, escapeChar) => {
        const options = { lookup, escape: escapeChar, location: HERE };
        const result = attempt(() => expandWords(word, options));
        if (result instanceof DockerfileError) return;
        expect(result.words.join('')).toHaveLength(
          result.words.reduce((sum, { length }) => sum + length, 0),
        );
        expect(result.words).not.toContain('');
        for (const name of result.used) expect(lookup(name)).toBeDefined();
        for (const name of result.undefinedNames) expect(lookup(name)).toBeUndefined();
      }),
      { numRuns: 5000 },
    );
  });

  test('leaves a quoted text as it is, however it is quoted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const options = { lookup: () => 'no', escape: '\\', location: HERE } as const;
        const double = value.replaceAll(/["$\\]/g, '\\$&');
        expect(expand(`"${double}"`, options).text).toBe(value);
        const single = value.split("'").map((part) => `'${part}'`);
        expect(expand(single.join("\\'"), options).text).toBe(value);
        const reference = { ...options, lookup: () => value };
        expect(expand('$v', reference).text).toBe(value);
      }),
    );
  });
});

describe('patterns', () => {
  const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '\n'), maxLength: 8 });
  const values = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 12 });
  const compiled = (pattern: string) => {
    const glob = compileGlob(pattern);
    if ('invalid' in glob) throw new Error('invalid');
    return glob;
  };
  /** Sources of a regular expression that is greedy or not. */
  const regular = (pattern: string, star: string) =>
    pattern.replaceAll('?', '.').replaceAll('*', star);

  test('match as a regular expression that tries every length does', () => {
    fc.assert(
      fc.property(patterns, values, (pattern, value) => {
        const whole = new RegExp(`^(?:${regular(pattern, '.*')})$`);
        const lengths = Array.from({ length: value.length + 1 }, (_, length) => length);
        const prefixes = lengths.filter((length) => whole.test(value.slice(0, length)));
        const suffixes = lengths.filter((length) => whole.test(value.slice(value.length - length)));
        const glob = compiled(pattern);
        expect(trimPrefix(glob, value, false)).toBe(value.slice(prefixes[0] ?? 0));
        expect(trimPrefix(glob, value, true)).toBe(value.slice(prefixes.at(-1) ?? 0));
        const kept = (length = 0) => value.slice(0, value.length - length);
        expect(trimSuffix(glob, value, false)).toBe(kept(suffixes[0]));
        expect(trimSuffix(glob, value, true)).toBe(kept(suffixes.at(-1)));
        const replaced = value.replace(new RegExp(regular(pattern, '.*')), '<>');
        expect(replaceMatches(glob, value, '<>', false, Infinity)).toBe(replaced);
      }),
      { numRuns: 3000 },
    );
  });

  test('with many stars come to an end', () => {
    const glob = compiled(`${'*a'.repeat(200)}b`);
    const value = 'a'.repeat(5000);
    expect(trimPrefix(glob, value, true)).toBe(value);
    expect(trimSuffix(glob, value, false)).toBe(value);
    expect(replaceMatches(glob, value, '', true, Infinity)).toBe(value);
  });
});

describe('parseMount', () => {
  test('makes of any text a mount or a DockerfileError', () => {
    const kinds = fc.constantFrom('bind', 'cache', 'tmpfs', 'secret', 'ssh', 'x');
    const keys = fc.constantFrom(
      ...['id', 'target', 'dst', 'source', 'from', 'ro', 'rw', 'required'],
      ...['size', 'mode', 'uid', 'gid', 'env', 'sharing', '"a', ''],
    );
    const values = fc.oneof(fc.constantFrom('', '=', '=1', '=/a', '=true', '=2g"'), fc.string());
    const fields = fc.array(
      fc.tuple(keys, values).map((parts) => parts.join('')),
      { maxLength: 4 },
    );
    const seen = new Set<string>();
    fc.assert(
      fc.property(kinds, fields, (kind, options) => {
        const value = [`type=${kind}`, ...options].join(',');
        const mount = attempt(() => parseMount(value, HERE));
        seen.add(mount instanceof DockerfileError ? 'error' : mount.type);
      }),
      { numRuns: 3000 },
    );
    expect([...seen].sort()).toEqual(['bind', 'cache', 'error', 'secret', 'ssh', 'tmpfs']);
  });
});

describe('long input', () => {
  test.each([
    ['blanks', `FROM a\nRUN x${' '.repeat(200_000)}y`],
    ['continuations', `FROM a\nRUN x${' \\\n y'.repeat(50_000)}`],
    ['flags', `FROM a\nRUN ${'--mount=x '.repeat(20_000)} y`],
    ['quotes', `FROM a\nENV ${'a="b c" '.repeat(20_000)}`],
    ['brackets', `FROM a\nRUN ${'['.repeat(200_000)}`],
    ['digits', `FROM a\nRUN ${'1'.repeat(200_000)}<<`],
    ['triggers', `FROM a\n${'ONBUILD '.repeat(20_000)}`],
    ['escapes', `FROM a\nRUN ${'\\'.repeat(200_001)} <<x`],
    ['braces', `FROM a\nRUN <<a ${'${a:-'.repeat(50_000)}`],
  ])('%s end in a result or a DockerfileError, without overflowing the stack', (_, source) => {
    expect(attempt(() => parseDockerfile(source, 'f'))).toBeDefined();
  });
});
