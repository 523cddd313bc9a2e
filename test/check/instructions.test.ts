import { expect, test } from '@jest/globals';
import { type BaseImage, checkDockerfile } from '../../src/check/check-dockerfile.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { compileIgnore } from '../../src/fs/select/ignore.js';
import { details, OPTIONS, warned } from './helpers.js';

const FROM = 'FROM scratch\n';

function base(config: Partial<BaseImage['config']>) {
  return { baseImage: () => ({ platform: 'linux/amd64', config: { Env: [], ...config } }) };
}

test('JSONArgsRecommended: CMD and ENTRYPOINT, unless a SHELL is set', () => {
  expect(warned(`${FROM}CMD run`)).toEqual(['2 JSONArgsRecommended']);
  expect(warned(`${FROM}ENTRYPOINT run`)).toEqual(['2 JSONArgsRecommended']);
  expect(warned(`${FROM}CMD ["run"]\nENTRYPOINT ["run"]\nHEALTHCHECK CMD run`)).toEqual([]);
  expect(warned(`${FROM}SHELL ["sh"]\nCMD run`)).toEqual([]);
  expect(warned('FROM scratch AS a\nSHELL ["sh"]\nFROM a\nCMD run')).toEqual([]);
  expect(warned('FROM alpine\nCMD run', base({ Shell: ['sh'] }))).toEqual([]);
  expect(warned('FROM alpine\nCMD run', base({ Shell: [] }))).toEqual(['2 JSONArgsRecommended']);
});

test('MultipleInstructionsDisallowed: every one but the last of its stage', () => {
  const one = 'CMD ["a"]\nENTRYPOINT ["a"]\nHEALTHCHECK CMD ["a"]\n';
  expect(warned(`${FROM}${one}COPY a /\n${one}`)).toEqual([
    '2 MultipleInstructionsDisallowed',
    '3 MultipleInstructionsDisallowed',
    '4 MultipleInstructionsDisallowed',
  ]);
  expect(warned(`FROM scratch AS a\n${one}FROM a\n${one}`)).toEqual([]);
  expect(warned(`${FROM}USER a\nUSER b\nWORKDIR /a\nWORKDIR /b`)).toEqual([]);
});

test('WorkdirRelativePath: the first one, with its variables expanded', () => {
  expect(warned(`${FROM}WORKDIR app\nWORKDIR more`)).toEqual(['2 WorkdirRelativePath']);
  expect(warned(`${FROM}ENV dir=app\nWORKDIR $dir`)).toEqual(['3 WorkdirRelativePath']);
  expect(warned(`${FROM}ENV dir=/app\nWORKDIR $dir`)).toEqual([]);
  expect(warned(`${FROM}WORKDIR /app\nWORKDIR more`)).toEqual([]);
  expect(warned('FROM scratch AS a\nWORKDIR /app\nFROM a\nWORKDIR more')).toEqual([]);
  expect(warned('FROM alpine\nWORKDIR $APP')).toEqual(['2 UndefinedVar']);
  expect(warned(`${FROM}WORKDIR $APP`)).toContain('2 WorkdirRelativePath');
});

test('CopyIgnoredFile: sources of the context that .dockerignore leaves out', () => {
  const matcher = compileIgnore('**/*.log\nsecret\n', '.dockerignore');
  const options = { ignores: (path: string) => matcher.ignores(path) };
  const head = '# check=skip=StageNameCasing\nFROM scratch AS a\n';
  expect(warned(`${head}COPY a.log /`, options)).toEqual(['3 CopyIgnoredFile']);
  expect(warned(`${head}ADD ./secret/key a.txt /d/`, options)).toEqual(['3 CopyIgnoredFile']);
  expect(warned(`${head}COPY /secret/ /`, options)).toEqual(['3 CopyIgnoredFile']);
  for (const quiet of [
    'COPY a.txt /',
    'COPY . /',
    'ADD https://example.com/a.log /',
    'FROM scratch\nCOPY --from=a a.log /',
    'COPY <<a.log /\nx\na.log',
  ]) {
    expect(warned(head + quiet, options)).toEqual([]);
  }
  expect(warned(`${head}COPY a.log /`)).toEqual([]);
  expect(warned(`${FROM}COPY a.log /`, options)).toEqual(['2 CopyIgnoredFile']);
  // Other files may be meant.
  expect(warned(`${head}ARG x\nCOPY *.log $x.log /`, options)).toEqual([]);
});

test('CopyIgnoredFile: an allow-list does not forbid to copy the whole context', () => {
  const matcher = compileIgnore('*\n!src\n', '.dockerignore');
  const head = '# check=experimental=all\nFROM scratch\n';
  const options = { ignores: (path: string) => matcher.ignores(path) };
  expect(warned(`${head}COPY . /`, options)).toEqual([]);
  expect(warned(`${head}COPY ./ /`, { ignores: () => true })).toEqual([]);
  expect(warned(`${head}COPY src /`, options)).toEqual([]);
  expect(warned(`${head}COPY doc /`, options)).toEqual(['3 CopyIgnoredFile']);
});

test('ExposeProtoCasing', () => {
  expect(warned(`${FROM}EXPOSE 80/TcP 81/udp`)).toEqual(['2 ExposeProtoCasing']);
  expect(warned(`${FROM}EXPOSE 80/tcp 81 82/`)).toEqual([]);
  expect(warned(`${FROM}ENV ports="80/TCP 81/UDP"\nEXPOSE $ports`)).toEqual([
    '3 ExposeProtoCasing',
    '3 ExposeProtoCasing',
  ]);
  // What is no protocol is an error, not a warning.
  expect(warned(`${FROM}EXPOSE 80/HTTP`)).toEqual([]);
});

test('ExposeInvalidFormat', () => {
  for (const port of ['8080:80', '127.0.0.1:80:80', '[::1]:80:80/tcp', '127.0.0.1::80']) {
    expect(warned(`${FROM}EXPOSE ${port}`)).toEqual(['2 ExposeInvalidFormat']);
  }
  expect(warned(`${FROM}EXPOSE 80 8000-8010/udp :80`)).toEqual([]);
});

test('SecretsUsedInArgOrEnv: whole words of names within stages', () => {
  for (const name of ['password', 'SUPER_Secret', 'git_key', 'apikey', 'AUTH_x', 'a_token_b']) {
    expect(warned(`${FROM}ENV ${name}=a`)).toEqual(['2 SecretsUsedInArgOrEnv']);
    expect(warned(`${FROM}ARG ${name}`)).toEqual(['2 SecretsUsedInArgOrEnv']);
  }
  for (const name of ['sunflower', 'PUBLIC_KEY', 'password_file', 'TOKEN_VERSION', 'monkey']) {
    expect(warned(`${FROM}ENV ${name}=a`)).toEqual([]);
  }
  expect(warned(`ARG password\n${FROM}LABEL password=a`)).toEqual([]);
  expect(warned(`${FROM}ARG secret=1 auth=2`)).toHaveLength(2);
});

test('triggers of the base are checked where they run', () => {
  const trigger = 'ONBUILD COPY $missing /\n';
  expect(warned(`FROM scratch AS a\n${trigger}`)).toEqual([]);
  expect(warned(`FROM scratch AS a\n${trigger}FROM a\nARG missing`)).toEqual(['3 UndefinedVar']);
  expect(warned('FROM alpine\nCMD ["a"]', base({ OnBuild: ['CMD b', 'NONSENSE'] }))).toEqual([
    '1 JSONArgsRecommended',
    '1 MultipleInstructionsDisallowed',
  ]);
});

test('warnings are in the order of lines, with description and url', () => {
  const text = 'FROM scratch as a\nCMD run\nMAINTAINER me\nENV a b\n';
  expect(warned(text)).toEqual([
    '1 FromAsCasing',
    '2 JSONArgsRecommended',
    '3 MaintainerDeprecated',
    '4 LegacyKeyValueFormat',
  ]);
  const [, warning] = checkDockerfile(parseDockerfile(text, 'f'), OPTIONS).warnings;
  expect(warning?.url).toBe('https://docs.docker.com/go/dockerfile/rule/json-args-recommended/');
  expect(warning?.description).not.toBe('');
  expect(details(text)[1]).toContain('CMD');
});
