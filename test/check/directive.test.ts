import { describe, expect, test } from '@jest/globals';
import {
  checkDockerfile,
  formatWarnings,
  parseCheckDirective,
  ruleNames,
} from '../../src/check/check-dockerfile.js';
import { isExperimental, ruleUrl } from '../../src/check/rules.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { DockerfileError, UsageError } from '../../src/util/errors.js';
import { getError } from '../dockerfile/helpers.js';
import { OPTIONS, warned } from './helpers.js';

const BODY = 'FROM scratch as base\ncopy Dockerfile .\n';

function check(text: string, buildArgs = {}) {
  return checkDockerfile(parseDockerfile(text, 'Dockerfile'), { ...OPTIONS, buildArgs });
}

describe('parseCheckDirective', () => {
  test('reads names, booleans and white space', () => {
    expect(parseCheckDirective(' skip = A , B ;error= T;experimental=C')).toEqual({
      skip: new Set(['A', 'B']),
      error: true,
      experimental: new Set(['C']),
    });
    expect(parseCheckDirective('skip=all;experimental=all;error=0')).toEqual({
      skip: 'all',
      error: false,
      experimental: 'all',
    });
    expect(parseCheckDirective('')).toEqual({
      skip: new Set(),
      error: false,
      experimental: new Set(),
    });
  });

  test.each(['skip', 'skpi=all', 'error=yes', 'skip=all;', '=all'])('refuses %j', (text) => {
    expect(() => parseCheckDirective(text)).toThrow(UsageError);
  });
});

describe('the check directive', () => {
  test('skips rules', () => {
    expect(warned(BODY)).toEqual(['1 FromAsCasing', '2 ConsistentInstructionCasing']);
    expect(warned(`#check=skip=FromAsCasing\n${BODY}`)).toEqual(['3 ConsistentInstructionCasing']);
    expect(warned(`# check=skip=FromAsCasing,ConsistentInstructionCasing\n${BODY}`)).toEqual([]);
    expect(warned(`# check=skip=all\n${BODY}`)).toEqual([]);
    expect(warned(`# check=skip=NoSuchRule\n${BODY}`)).toHaveLength(2);
  });

  test('makes warnings errors, if there are any', () => {
    expect(check(BODY).error).toBe(false);
    expect(check(`# check=error=true\n${BODY}`).error).toBe(true);
    expect(check(`# check=error=true;skip=all\n${BODY}`).error).toBe(false);
    expect(check('# check=error=true\nFROM scratch').error).toBe(false);
  });

  test('gives way to the build argument, which is all that counts then', () => {
    const args = (value: string) => ({ BUILDKIT_DOCKERFILE_CHECK: value });
    const skipped = check(`# check=skip=all\n${BODY}`, args('skip=FromAsCasing;error=true'));
    expect(skipped.warnings.map(({ rule }) => rule)).toEqual(['ConsistentInstructionCasing']);
    expect(skipped.error).toBe(true);
    expect(check(`# check=error=true\n${BODY}`, args('')).error).toBe(false);
    expect(check(`# check=nonsense\n${BODY}`, args('skip=all')).warnings).toEqual([]);
    expect(() => check(BODY, args('nonsense'))).toThrow(UsageError);
  });

  test('is an error at its place when it means nothing', () => {
    const error = getError(() => check(`# syntax=docker/dockerfile:1\n#  check=skp=all\n${BODY}`));
    expect(error).toBeInstanceOf(DockerfileError);
    expect(error.location).toEqual({ file: 'Dockerfile', line: 2, column: 4, endLine: 2 });
    expect(error.hint).toBe('write skip=VALUE');
  });
});

describe('the rules', () => {
  test('are the 22 of BuildKit, one of them experimental', () => {
    // BuildKit's documentation, "Build checks".
    expect([...ruleNames()].sort()).toEqual([
      ...['ConsistentInstructionCasing', 'CopyIgnoredFile', 'DuplicateStageName'],
      ...['ExposeInvalidFormat', 'ExposeProtoCasing', 'FromAsCasing'],
      ...['FromPlatformFlagConstDisallowed', 'InvalidBaseImagePlatform', 'InvalidDefaultArgInFrom'],
      ...['InvalidDefinitionDescription', 'JSONArgsRecommended', 'LegacyKeyValueFormat'],
      ...['MaintainerDeprecated', 'MultipleInstructionsDisallowed', 'NoEmptyContinuation'],
      ...['RedundantTargetPlatform', 'ReservedStageName', 'SecretsUsedInArgOrEnv'],
      ...['StageNameCasing', 'UndefinedArgInFrom', 'UndefinedVar', 'WorkdirRelativePath'],
    ]);
    expect(ruleNames().filter(isExperimental)).toEqual(['InvalidDefinitionDescription']);
  });

  test('have pages of Docker', () => {
    const at = (name: string) => `https://docs.docker.com/go/dockerfile/rule/${name}/`;
    expect(ruleUrl('JSONArgsRecommended')).toBe(at('json-args-recommended'));
    expect(ruleUrl('SecretsUsedInArgOrEnv')).toBe(at('secrets-used-in-arg-or-env'));
    expect(ruleUrl('ExposeProtoCasing')).toBe(at('expose-proto-casing'));
  });
});

describe('formatWarnings', () => {
  const format = (text: string, as: 'text' | 'json') => {
    const dockerfile = parseDockerfile(text, 'Dockerfile');
    return formatWarnings(checkDockerfile(dockerfile, OPTIONS), dockerfile, as);
  };

  test('text: rule, url, message, place and excerpt', () => {
    expect(format('FROM scratch\nCMD run', 'text')).toBe(
      [
        'Check complete, 1 warning has been found!',
        '',
        'WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/',
        'CMD in shell form keeps signals from the program: write a JSON array',
        'Dockerfile:2',
        '1 |     FROM scratch',
        '2 | >>> CMD run',
        '  |     ^',
        '',
      ].join('\n'),
    );
    expect(format(BODY, 'text')).toMatch(/^Check complete, 2 warnings have been found!\n/);
    expect(format('FROM scratch', 'text')).toBe('Check complete, no warnings found.\n');
  });

  test('json: the fields of BuildKit', () => {
    expect(JSON.parse(format('FROM scratch\nCMD a \\\n b', 'json'))).toEqual({
      sources: [
        {
          filename: 'Dockerfile',
          language: 'Dockerfile',
          data: Buffer.from('FROM scratch\nCMD a \\\n b').toString('base64'),
        },
      ],
      warnings: [
        {
          ruleName: 'JSONArgsRecommended',
          description: expect.stringContaining('JSON'),
          url: 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/',
          detail: expect.stringContaining('CMD'),
          location: { file: 'Dockerfile', ranges: [{ start: { line: 2 }, end: { line: 3 } }] },
        },
      ],
    });
    expect(JSON.parse(format('FROM scratch', 'json'))).toMatchObject({ warnings: [] });
  });
});
