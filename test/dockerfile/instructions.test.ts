import { describe, expect, test } from '@jest/globals';
import { parseDockerfile, parseTrigger } from '../../src/dockerfile/parse-dockerfile.js';
import { getError, HERE, instruction, instructionError, place } from './helpers.js';

describe('FROM', () => {
  test('platform, image and name, each as written', () => {
    expect(
      instruction('from', 'FROM --platform=$BUILDPLATFORM a:1@sha256:0 aS Base-1.x_y'),
    ).toMatchObject({
      image: 'a:1@sha256:0',
      name: 'Base-1.x_y',
      asKeyword: 'aS',
      flags: [{ name: 'platform', value: '$BUILDPLATFORM', location: { line: 2, column: 6 } }],
    });
    expect(instruction('from', 'FROM a')).toMatchObject({ name: undefined, asKeyword: undefined });
  });

  test.each([
    ['FROM a b', 'neither one nor three', '2:6'],
    ['FROM a AS b c', 'neither one nor three', '2:6'],
    ['FROM a IS b', "'IS' where AS belongs", '2:8'],
    ['FROM a AS 1b', "invalid stage name '1b'", '2:11'],
    ['FROM a AS $b', "invalid stage name '$b'", '2:11'],
  ])('%s is an error', (text, message, at) => {
    const error = instructionError(text);
    expect(error.message).toContain(message);
    expect(place(error)).toBe(at);
  });
});

describe('commands', () => {
  test.each([
    ['RUN ["a", "b c"]', { form: 'exec', argv: ['a', 'b c'] }],
    ['RUN   [ "\\u0061" ]  ', { form: 'exec', argv: ['a'] }],
    ["RUN ['a', 'b']", { form: 'shell', text: "['a', 'b']" }],
    ['RUN ["a",]', { form: 'shell', text: '["a",]' }],
    ['RUN ["a"] && b', { form: 'shell', text: '["a"] && b' }],
    ['RUN [ -f x ] && y', { form: 'shell', text: '[ -f x ] && y' }],
    ['RUN [ -f x', { form: 'shell', text: '[ -f x' }],
    ['RUN [ "$a" = b', { form: 'shell', text: '[ "$a" = b' }],
    ['RUN a "b\\nc" $d', { form: 'shell', text: 'a "b\\nc" $d' }],
    ['RUN --network=none -- --x', { form: 'shell', text: '--x' }],
  ])('%s', (text, command) => {
    expect(instruction('run', text).command).toEqual(command);
  });

  test('the JSON form may go over several lines', () => {
    const text = 'CMD [ \\\n "a", \\\n # c\n "b" \\\n]';
    expect(instruction('cmd', text).command).toEqual({ form: 'exec', argv: ['a', 'b'] });
  });

  test('CMD [] and ENTRYPOINT [] are empty commands', () => {
    expect(instruction('cmd', 'CMD []').command).toEqual({ form: 'exec', argv: [] });
    expect(instruction('entrypoint', 'entrypoint []')).toMatchObject({
      keyword: 'entrypoint',
      command: { form: 'exec', argv: [] },
    });
  });

  test.each(['RUN', 'CMD', 'ENTRYPOINT', 'SHELL', 'VOLUME', 'COPY', 'ADD', 'HEALTHCHECK CMD'])(
    '%s ["a", without end is an unterminated JSON array',
    (keyword) => {
      const error = instructionError(`${keyword} ["a", "b"\nUSER x`);
      expect(error.message).toContain('unterminated JSON array');
      expect(place(error)).toBe(`2:${keyword.length + 2}`);
    },
  );

  test.each(['RUN ["a", 1]', 'CMD [null]', 'COPY [["a"], "b"]', 'SHELL [{}]'])(
    '%s has elements other than strings',
    (text) => {
      expect(instructionError(text).message).toContain('not strings');
    },
  );

  test('SHELL takes the JSON form only', () => {
    expect(instruction('shell', 'SHELL ["/bin/bash", "-c"]').argv).toEqual(['/bin/bash', '-c']);
    expect(instructionError('SHELL bash -c').message).toBe('SHELL needs the JSON form');
    expect(instructionError('SHELL []').message).toBe('SHELL names no program');
    expect(instructionError('RUN []').message).toBe('RUN names no program');
  });
});

describe('COPY and ADD', () => {
  test('words between blanks; quotes have no meaning', () => {
    expect(instruction('copy', 'COPY  a\t"b  c" /d/')).toMatchObject({
      sources: ['a', '"b', 'c"'],
      destination: '/d/',
      heredocs: [],
    });
  });

  test('the JSON form is for paths with blanks', () => {
    expect(instruction('add', 'ADD ["a b", "c", "/d e"]')).toMatchObject({
      sources: ['a b', 'c'],
      destination: '/d e',
    });
  });

  test('flags keep their order, may repeat where it makes sense', () => {
    const { flags } = instruction(
      'copy',
      'COPY --from=b --exclude=*.md --link --exclude="x y" \\\n --parents=false --chmod=755 a b',
    );
    expect(flags.map(({ name, value }) => [name, value])).toEqual([
      ['from', 'b'],
      ['exclude', '*.md'],
      ['link', undefined],
      ['exclude', 'x y'],
      ['parents', 'false'],
      ['chmod', '755'],
    ]);
    expect(flags[4]?.location).toEqual({ file: 'Dockerfile', line: 3, column: 2, endLine: 3 });
  });

  test.each(['COPY a', 'ADD ["a"]', 'COPY []', 'COPY --link a'])(
    '%s has no destination',
    (text) => {
      expect(instructionError(text).message).toContain('has no destination');
    },
  );
});

describe('flags', () => {
  test.each([
    ['COPY --form=x a b', 'unknown flag --form for COPY', 'did you mean --from?', '2:6'],
    ['copy --link --chwon=a b c', 'unknown flag --chwon for COPY', 'did you mean --chown?', '2:13'],
    ['CMD --help', 'unknown flag --help for CMD', 'CMD takes no flags', '2:5'],
    ['FROM --constructor=x a', 'unknown flag --constructor for FROM', '--platform', '2:6'],
    ['COPY --from=a --from=b c d', '--from is given twice', 'keep one', '2:15'],
    ['COPY --from a b', '--from needs a value', '--from=VALUE', '2:6'],
    ['COPY --link=1 a b', 'true or false', '--link=false', '2:6'],
    ['COPY --link= a b', 'true or false', '--link=false', '2:6'],
    ['HEALTHCHECK --interval=5 CMD a', 'not a duration', '30s', '2:13'],
    ['HEALTHCHECK --timeout=1us CMD a', 'less than 1ms', '1ms', '2:13'],
    ['HEALTHCHECK --retries=2147483648 CMD a', 'not a count', 'whole number', '2:13'],
    ['HEALTHCHECK --retries=-1 CMD a', 'not a count', 'whole number', '2:13'],
  ])('%s', (text, message, hint, at) => {
    const error = instructionError(text);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
    expect(place(error)).toBe(at);
  });

  test('quotes and backslashes in a flag are removed, blanks in quotes stay', () => {
    const { flags } = instruction(
      'run',
      'RUN --mount=type=bind,"source=a b",target=\\$x --mount=\'y\' c',
    );
    expect(flags.map(({ value }) => value)).toEqual(['type=bind,source=a b,target=$x', 'y']);
  });

  test('words with -- behind an operand are operands', () => {
    expect(instruction('copy', 'COPY a --link b').sources).toEqual(['a', '--link']);
  });
});

describe('ENV, LABEL and ARG', () => {
  test('values stay raw', () => {
    const { pairs } = instruction('env', `ENV a=b c="d e" f='g h' i=j\\ k l= m=n=$o`);
    expect(pairs.map(({ key, value }) => [key, value])).toEqual([
      ['a', 'b'],
      ['c', '"d e"'],
      ['f', "'g h'"],
      ['i', 'j\\ k'],
      ['l', ''],
      ['m', 'n=$o'],
    ]);
    expect(pairs.every(({ legacy }) => !legacy)).toBe(true);
  });

  test('the legacy form is one pair whose value is the rest', () => {
    expect(instruction('env', 'ENV a  b=c "d" e').pairs).toEqual([
      { key: 'a', value: 'b=c "d" e', legacy: true },
    ]);
    expect(instruction('label', 'LABEL a b').pairs).toEqual([
      { key: 'a', value: 'b', legacy: true },
    ]);
  });

  test('single quotes take everything literally, the escape character too', () => {
    const { pairs } = instruction('env', "ENV a='x\\' b=c");
    expect(pairs.map(({ value }) => value)).toEqual(["'x\\'", 'c']);
  });

  test('quotes may be part of the name', () => {
    expect(instruction('label', 'LABEL "a b"="c"').pairs).toEqual([
      { key: '"a b"', value: '"c"', legacy: false },
    ]);
  });

  test('the escape directive counts between words', () => {
    const text = '# escape=`\nFROM a\nENV a=b` c d=e\\ f=g';
    expect(getError(() => parseEnv(`${text} h`)).message).toContain("no '=' in 'h'");
    expect(parseEnv(text)).toEqual(['a', 'd', 'f']);
  });

  test.each([
    ['ENV a', 'ENV a has no value', '2:5'],
    ['LABEL a', 'LABEL a has no value', '2:7'],
    ['ENV a=b c', "ENV has no '=' in 'c'", '2:9'],
    ['ENV =b', 'ENV has an empty name', '2:5'],
    ['ARG \\\v', 'ARG has no name', '2:5'],
    ['ARG =b', 'ARG has an empty name', '2:5'],
    ['ENV a=b \\\n   c', "'c'", '3:4'],
  ])('%j is an error', (text, message, at) => {
    const error = instructionError(text);
    expect(error.message).toContain(message);
    expect(place(error)).toBe(at);
  });

  test('ARG takes several, with or without default', () => {
    expect(instruction('arg', 'ARG a b= c="x y" d=e=f').args).toEqual([
      { name: 'a', defaultValue: undefined },
      { name: 'b', defaultValue: '' },
      { name: 'c', defaultValue: '"x y"' },
      { name: 'd', defaultValue: 'e=f' },
    ]);
  });
});

function parseEnv(text: string): string[] {
  const env = parseDockerfile(text, 'Dockerfile').instructions[1];
  return env?.kind === 'env' ? env.pairs.map(({ key }) => key) : [];
}

describe('the rest', () => {
  test.each([
    ['workdir', 'WORKDIR /a b', '/a b'],
    ['user', 'USER $u:$g', '$u:$g'],
    ['stopsignal', 'STOPSIGNAL SIGINT', 'SIGINT'],
    ['maintainer', 'MAINTAINER a <b@c>', 'a <b@c>'],
  ] as const)('%s keeps its operand as it is', (kind, text, value) => {
    expect(instruction(kind, text).value).toBe(value);
  });

  test('EXPOSE and VOLUME', () => {
    expect(instruction('expose', 'EXPOSE 80/tcp  $p')).toMatchObject({
      values: ['80/tcp', '$p'],
      json: false,
    });
    expect(instruction('volume', 'VOLUME /a /b')).toMatchObject({
      values: ['/a', '/b'],
      json: false,
    });
    expect(instruction('volume', 'VOLUME ["/a b"]')).toMatchObject({
      values: ['/a b'],
      json: true,
    });
    expect(instructionError('VOLUME [""]').message).toBe('VOLUME has an empty path');
    expect(instructionError('VOLUME []').message).toBe('VOLUME has an empty path');
  });

  test('HEALTHCHECK', () => {
    expect(instruction('healthcheck', 'HEALTHCHECK none').command).toBeUndefined();
    expect(instruction('healthcheck', 'HEALTHCHECK cmd curl  -f x').command).toEqual({
      form: 'shell',
      text: 'curl  -f x',
    });
    const check = instruction(
      'healthcheck',
      'HEALTHCHECK --interval=1m30s --retries=3 --start-interval=0 CMD ["a"]',
    );
    expect(check.command).toEqual({ form: 'exec', argv: ['a'] });
    expect(check.flags.map(({ name }) => name)).toEqual(['interval', 'retries', 'start-interval']);
    expect(place(instructionError('HEALTHCHECK curl x'))).toBe('2:13');
    expect(instructionError('HEALTHCHECK curl x').message).toContain("'curl'");
    expect(instructionError('HEALTHCHECK CMD').message).toContain('no command');
    expect(instructionError('HEALTHCHECK NONE x').message).toContain('takes no operands');
  });

  test('ONBUILD holds its trigger, located by itself', () => {
    expect(instruction('onbuild', 'ONBUILD  copy --link a \\\n b')).toMatchObject({
      kind: 'onbuild',
      keyword: 'ONBUILD',
      trigger: {
        kind: 'copy',
        keyword: 'copy',
        original: 'copy --link a  b',
        location: { line: 2, column: 10, endLine: 3 },
        flags: [{ name: 'link' }],
      },
    });
  });

  test.each(['ONBUILD', 'FROM', 'MAINTAINER'])('ONBUILD %s is forbidden', (trigger) => {
    const error = instructionError(`ONBUILD ${trigger} x`);
    expect(error.message).toBe(`${trigger} is not allowed as a trigger of ONBUILD`);
    expect(place(error)).toBe('2:9');
  });

  test.each([
    ['COPPY a b', 'did you mean COPY?'],
    ['rnu x', 'did you mean RUN?'],
    ['ONBUILD ETNRYPOINT x', 'did you mean ENTRYPOINT?'],
    ['&& make install', 'escape character'],
    ['constructor x', 'escape character'],
  ])('%s is an unknown instruction', (text, hint) => {
    const error = instructionError(text);
    expect(error.message).toContain('unknown instruction');
    expect(error.hint).toContain(hint);
  });

  test.each([
    'ADD',
    'ARG',
    'COPY',
    'ENV',
    'EXPOSE',
    'FROM',
    'HEALTHCHECK',
    'LABEL',
    'MAINTAINER',
    'ONBUILD',
    'SHELL',
    'STOPSIGNAL',
    'USER',
    'VOLUME',
    'WORKDIR',
  ])('%s without operands is an error that says what is wanted', (keyword) => {
    const error = instructionError(keyword.toLowerCase());
    expect(error.message).toBe(`${keyword} has no operands`);
    expect(error.hint).toContain(`write ${keyword}`);
    expect(place(error)).toBe('2:1');
  });
});

describe('parseTrigger', () => {
  test('reads what an image config holds', () => {
    expect(parseTrigger('COPY . /app', HERE)).toMatchObject({
      kind: 'copy',
      sources: ['.'],
      location: HERE,
    });
    expect(parseTrigger('RUN <<EOF\nx\nEOF', HERE)).toMatchObject({
      heredocs: [{ name: 'EOF', content: 'x\n' }],
    });
  });

  test.each([
    ['', 'no operands'],
    ['RUNN x', 'unknown instruction RUNN'],
    ['RUN a\nRUN b', 'more than one instruction'],
    ['RUN <<EOF\nx', 'unterminated heredoc'],
    ['FROM x', 'not allowed'],
  ])('%j is an error', (text, message) => {
    const error = getError(() => parseTrigger(text, HERE));
    expect(error.location).toEqual(HERE);
    expect(error.message).toContain(`ONBUILD trigger '${text}' of the base image: `);
    expect(error.message).toContain(message);
  });
});
