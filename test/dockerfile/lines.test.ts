import { describe, expect, test } from '@jest/globals';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { getError, instruction, place } from './helpers.js';

const parse = (text: string) => parseDockerfile(text, 'Dockerfile');

describe('parser directives', () => {
  test('syntax, escape and check are read in any case and order', () => {
    const { directives, instructions } = parse(
      '#  SYNTAX = docker/dockerfile:1 \n# Escape=`\n#check=skip=all;error=true\nFROM a\nRUN a `\n b\n',
    );
    expect(directives).toEqual({
      syntax: 'docker/dockerfile:1',
      escape: '`',
      check: 'skip=all;error=true',
    });
    expect(instructions[1]).toMatchObject({ command: { form: 'shell', text: 'a  b' } });
  });

  test.each([
    ['after a comment', '# hello\n# escape=`\nFROM a\n'],
    ['after an unknown directive', '# unknown=1\n# escape=`\nFROM a\n'],
    ['after an empty line', '\n# escape=`\nFROM a\n'],
    ['after an instruction', 'FROM a\n# escape=`\n'],
    ['without value', '# escape=\nFROM a\n'],
  ])('a directive %s is a comment', (_, text) => {
    expect(parse(text).directives).toEqual({ syntax: undefined, escape: '\\', check: undefined });
  });

  test('a directive given twice is an error at its name', () => {
    const error = getError(() => parse('# syntax=docker/dockerfile:1\n#  Syntax=b\nFROM a'));
    expect(error.message).toContain('only one syntax');
    expect(error.hint).toContain('# syntax=docker/dockerfile:1');
    expect(place(error)).toBe('2:4');
  });

  test('only backslash and backtick can be the escape character', () => {
    const error = getError(() => parse('# escape=^\nFROM a'));
    expect(error.message).toContain("'^'");
    expect(place(error)).toBe('1:10');
  });
});

describe('physical lines', () => {
  test('a byte order mark and CRLF are not part of any word', () => {
    const file = parse('\ufeffFROM a AS b\r\nCOPY x \\\r\n  /y\r\n');
    expect(file.lines).toEqual(['FROM a AS b', 'COPY x \\', '  /y']);
    expect(file.instructions[0]).toMatchObject({ image: 'a', name: 'b' });
    expect(file.instructions[1]).toMatchObject({ sources: ['x'], destination: '/y' });
  });

  test('leading white space before instructions and comments is ignored', () => {
    const file = parse('  \t# c\n   from a\n\t run  b  \n');
    expect(file.instructions).toMatchObject([
      { keyword: 'from', location: { line: 2, column: 4 }, original: 'from a' },
      { keyword: 'run', location: { line: 3, column: 3 }, command: { text: 'b' } },
    ]);
  });
});

describe('continuations', () => {
  test('lines are joined with nothing in between, blanks stay', () => {
    const { command, original, location } = instruction('run', 'RUN a \\\n    && b\\\nc');
    expect(command).toEqual({ form: 'shell', text: 'a     && bc' });
    expect(original).toBe('RUN a && bc');
    expect(location).toEqual({ file: 'Dockerfile', line: 2, column: 1, endLine: 4 });
  });

  test('a line of blanks between two others still separates them', () => {
    const { command, original } = instruction('run', 'RUN a\\\n  \\\nb');
    expect(command).toEqual({ form: 'shell', text: 'a  b' });
    expect(original).toBe('RUN a b');
  });

  test('comments inside are dropped, empty lines too but recorded', () => {
    const file = parse('FROM a\nRUN x \\\n  # note \\\n\n  y \\  \t\n   \n#z\n  w\nCMD q');
    expect(file.instructions[1]).toMatchObject({
      command: { text: 'x   y   w' },
      original: 'RUN x y w',
      location: { line: 2, endLine: 8 },
    });
    expect(file.emptyContinuationLines).toEqual([4, 6]);
    expect(file.instructions).toHaveLength(3);
  });

  test('a doubled escape character at the end of a line is no continuation', () => {
    const file = parse('FROM a\nENV P C:\\\\\nRUN b');
    expect(file.instructions[1]).toMatchObject({ pairs: [{ key: 'P', value: 'C:\\\\' }] });
    expect(file.instructions).toHaveLength(3);
  });

  test('a # that does not start a line is no comment', () => {
    expect(instruction('run', 'RUN a # b').command).toEqual({ form: 'shell', text: 'a # b' });
  });

  test('a keyword after a lone escape character is located on its own line', () => {
    expect(instruction('run', '\\\n  RUN x').location).toMatchObject({ line: 3, column: 3 });
  });

  test.each([
    ['RUN a \\', 'a '],
    ['RUN a \\\n', 'a '],
    ['RUN a \\  \n\n# c\n', 'a '],
    ['RUN a \\\n b \\\n', 'a  b '],
    ['RUN \\', ''],
  ])('%j may end the file', (text, command) => {
    expect(parse(`FROM x\n${text}`).instructions.at(-1)).toMatchObject({
      kind: 'run',
      command: { form: 'shell', text: command.trimEnd() },
    });
  });
});

describe('comments', () => {
  test('the block right above an instruction is kept, others are not', () => {
    const file = parse(
      '# syntax=docker/dockerfile:1\n# far\n\n# base  the base\n#  second \nFROM a AS base\n# end\n\nRUN x \\\n# in\n y\n#last',
    );
    expect(file.comments).toEqual([{ line: 4, text: 'base  the base\nsecond' }]);
  });
});

describe('whole files', () => {
  test.each(['', '\n\n', '# only a comment\n', '\ufeff', '# escape=`\n'])(
    '%j has no instructions',
    (text) => {
      const error = getError(() => parse(text));
      expect(error.message).toBe('file with no instructions');
      expect(error.code).toBe('DOCKERFILE');
      expect(error.location).toEqual({ file: 'Dockerfile', line: 1, column: 1, endLine: 1 });
    },
  );

  test('ARG may stand before FROM, nothing else may', () => {
    expect(parse('ARG v=1\nFROM a:$v').instructions.map(({ kind }) => kind)).toEqual([
      'arg',
      'from',
    ]);
    const error = getError(() => parse('ARG v\n\nRUN x'));
    expect(error.message).toBe('RUN stands before the first FROM');
    expect(place(error)).toBe('3:1');
  });

  test('a file without FROM is an error', () => {
    expect(getError(() => parse('ARG v')).message).toBe('file with no FROM instruction');
  });
});

describe('the language', () => {
  test.each([
    'docker/dockerfile:1',
    'docker/dockerfile',
    'docker.io/docker/dockerfile:1.7-labs',
    'docker/dockerfile-upstream:master',
    `docker/dockerfile:1@sha256:${'0'.repeat(64)}`,
    'mirror.example.com:5000/hub/docker/dockerfile:1',
    'dockerfile.v0',
  ])("%s is Docker's", (syntax) => {
    expect(parse(`#syntax=${syntax}\nFROM a`).directives.syntax).toBe(syntax);
  });

  test.each([
    'example.com/nix',
    'docker/dockerfile2',
    'x/buildpacks:dockerfile',
    'tonistiigi/copy',
  ])('%s is another one', (syntax) => {
    const text = `# escape=\`\n# syntax=${syntax}\nthis is no Dockerfile`;
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        location: expect.objectContaining({ line: 2 }),
      }),
    );
  });
});
