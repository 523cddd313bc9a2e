import { expect, test } from '@jest/globals';
import { details, warned } from './helpers.js';

const FROM = 'FROM scratch\n';

test('UndefinedVar: used before it is defined, and with a slip', () => {
  expect(warned(`${FROM}COPY $foo /\nARG foo=bar\nRUN echo $foo`)).toEqual(['2 UndefinedVar']);
  expect(details(`${FROM}ENV PATH=$PAHT:/bin`)[0]).toContain('did you mean $PATH?');
  expect(warned(`${FROM}ARG foo\nCOPY a$foo /`)).toEqual([]);
  expect(warned(`${FROM}ENV foo=a\nCOPY $foo /$PATH/`)).toEqual([]);
});

test.each([
  'ADD a /$x',
  'COPY --chown=$x a /',
  'COPY --exclude=$x a /',
  'COPY <<EOF /\n$x\nEOF',
  'ENV a=$x',
  'ENV $x=a',
  'LABEL a="$x"',
  'USER $x',
  'VOLUME /$x',
  'STOPSIGNAL $x',
  'ARG a=$x',
  'WORKDIR /$x',
  'RUN --mount=type=cache,target=/$x true',
])('UndefinedVar: %j is expanded', (text) => {
  expect(warned(FROM + text)).toEqual(['2 UndefinedVar']);
});

test.each([
  'RUN echo $x',
  'CMD ["$x"]',
  'HEALTHCHECK CMD $x',
  'EXPOSE $x',
  "COPY <<'EOF' /\n$x\nEOF",
  'COPY \\$x /',
  "LABEL a='$x'",
  'RUN --mount=type=cache,target=/y <<EOF\n$x\nEOF',
])('UndefinedVar: %j is not, or not by the rule', (text) => {
  expect(warned(FROM + text)).toEqual([]);
});

test.each(['${x:-b}', '${x-b}', '${x:+b}', '${x+b}', '${a:-${x}}', '${x#b}', '${x/b/c}'])(
  'UndefinedVar: %s is undefined with what stands for it, too (seen with BuildKit 0.25)',
  (word) => {
    expect(warned(`${FROM}ENV a=1\nLABEL l=${word}`)).toEqual(['3 UndefinedVar']);
    expect(warned(`${FROM}ENV a=1\nARG x\nLABEL l=${word}`)).toEqual([]);
  },
);

test('UndefinedVar: stages inherit variables, siblings do not', () => {
  expect(warned('FROM alpine AS base\nARG foo=a\nFROM base\nCOPY $foo /')).toEqual([]);
  expect(warned('FROM alpine AS base\nARG foo=a\nFROM alpine\nCOPY $foo /')).toEqual([
    '4 UndefinedVar',
  ]);
});

test('UndefinedVar: ARG before FROM has to be repeated', () => {
  const text = 'ARG foo=a\nFROM scratch\nCOPY $foo /';
  expect(warned(text)).toEqual(['3 UndefinedVar']);
  expect(details(text)[0]).toContain('repeat ARG foo');
  expect(warned('ARG foo=a\nFROM scratch\nARG foo\nCOPY $foo /')).toEqual([]);
});

test('UndefinedVar: variables of the base image, as far as it is known', () => {
  const text = 'FROM golang AS a\nFROM a\nCOPY a $GOPATH/';
  const baseImage = () => ({ platform: 'linux/amd64', config: { Env: ['GOPATH=/go'] } });
  expect(warned(text, { baseImage })).toEqual([]);
  expect(warned(text)).toEqual(['3 UndefinedVar']);
  expect(details(text)[0]).toContain('unless golang sets it');
});

test('UndefinedVar: once an instruction, however often it is used', () => {
  expect(warned(`${FROM}COPY $a $a $b /$a/`)).toEqual(['2 UndefinedVar', '2 UndefinedVar']);
});

test('UndefinedVar: the default of an ARG does not count when it is given', () => {
  const text = `${FROM}ARG foo=$missing`;
  expect(warned(text, { buildArgs: { foo: 'a' } })).toEqual([]);
  expect(warned(text)).toEqual(['2 UndefinedVar']);
});

test('names of Object.prototype are names like others', () => {
  expect(warned(`${FROM}ARG constructor\nCOPY $constructor /`)).toEqual([]);
  expect(warned(`${FROM}COPY $constructor /`)).toEqual(['2 UndefinedVar']);
});

test('the escape directive is that of the words', () => {
  expect(warned('# escape=`\nFROM scratch\nCOPY `$foo /')).toEqual([]);
  expect(warned('# escape=`\nFROM scratch\nCOPY \\$foo /')).toEqual(['3 UndefinedVar']);
});
