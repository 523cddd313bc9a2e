/**
 * Dockerfiles that are made to take for ever or to fill the memory. Nothing is measured: with the
 * quadratic or exponential ways that wiac had, none of these would end before the test does.
 */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { checkDockerfile } from '../../src/check/check-dockerfile.js';
import { MAX_TEXT } from '../../src/dockerfile/expand.js';
import { parseDockerfile } from '../../src/dockerfile/parse-dockerfile.js';
import { compile } from '../../src/plan/compile.js';
import type { PlanOptions } from '../../src/plan/plan.js';
import { context, machine } from '../support/wiac.js';

const OPTIONS: PlanOptions = {
  buildArgs: {},
  target: undefined,
  platform: 'linux/amd64',
  buildPlatform: 'linux/amd64',
  labels: {},
  network: 'default',
  resources: { extraHosts: [], shmSize: 0, ulimits: [] },
  allowed: [],
  contexts: new Map(),
  image: () => {
    throw new Error('no image is asked for');
  },
};

const lines = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('\n');

const getPlan = (text: string) => compile(parseDockerfile(text, 'Dockerfile'), OPTIONS);
const getWarnings = (text: string) =>
  checkDockerfile(parseDockerfile(text, 'Dockerfile'), {
    buildArgs: {},
    platform: 'linux/amd64',
    ignores: undefined,
  }).warnings;

const FOURTIMES = (keyword: string) =>
  lines(14, (index) => `${keyword} A${index + 1}=${`$A${index}`.repeat(4)}`);
const MEGABYTE = 'x'.repeat(1 << 20);

describe('too much text after expansion is an error of the line that has it', () => {
  test.each([
    ['ENV', 14, `FROM scratch\nENV A0=xxxxxxxxxx\n${FOURTIMES('ENV')}`],
    ['ARG', 14, `FROM scratch\nARG A0=xxxxxxxxxx\n${FOURTIMES('ARG')}`],
    ['ARG before FROM', 13, `ARG A0=xxxxxxxxxx\n${FOURTIMES('ARG')}\nFROM scratch`],
    ['one word', 3, `FROM scratch\nARG A=${MEGABYTE}\nCOPY ${'$A'.repeat(65)} /`],
    ['quoted', 3, `FROM scratch\nARG A=${MEGABYTE}\nLABEL a="${'$A'.repeat(65)}"`],
    ['a here-document', 3, `FROM scratch\nARG A=${MEGABYTE}\nCOPY <<E /\n${'$A'.repeat(65)}\nE`],
    ['replaced', 3, `FROM scratch\nARG A=${'x'.repeat(1e5)}\nENV B=\${A//x/$A}`],
    [
      'replaced and nested',
      3,
      `FROM scratch\nENV A=${'xy'.repeat(1000)}\nENV B=\${A//x/\${A//x/$A}}`,
    ],
    [
      'words of one instruction',
      3,
      `FROM scratch\nARG A=${MEGABYTE}\nLABEL ${lines(300, (i) => `a${i}=$A`).replaceAll('\n', ' ')}`,
    ],
  ])('%s', (_, line, text) => {
    expect(() => getPlan(text)).toThrow(
      expect.objectContaining({
        code: 'DOCKERFILE',
        message: `the Dockerfile has more than ${MAX_TEXT >> 20} MiB of text after expansion`,
        location: expect.objectContaining({ line }),
      }),
    );
    expect(getWarnings(text)).toBeDefined();
  });

  test.each([
    ['instructions', `ARG A=${MEGABYTE}\n${lines(100, (index) => `LABEL a${index}=$A`)}`],
    ['what each RUN gets', `ENV A=${MEGABYTE}\n${lines(100, (index) => `RUN ${index}`)}`],
    ['WORKDIR', lines(30_000, () => 'WORKDIR directory')],
    ['ranges of EXPOSE', lines(300, () => 'EXPOSE 1-65535')],
  ])('of all together: %s', (_, body) => {
    expect(() => getPlan(`FROM scratch\n${body}`)).toThrow(/more than 64 MiB/);
  });

  test('what many stages inherit', () => {
    const count = 8000;
    const stages = lines(count, (index) => `FROM a AS b${index}\nCOPY --from=a / /`);
    const text = `FROM scratch AS a\n${lines(count, (index) => `ENV A${index}=1`)}\n${stages}`;
    expect(() => getWarnings(text)).toThrow(/more than 64 MiB/);
    const used = lines(count, (index) => `COPY --from=b${index} / /`);
    expect(() => getPlan(`${text}\nFROM scratch\n${used}`)).toThrow(/more than 64 MiB/);
  });

  test('a build says so', async () => {
    const root = context({ Dockerfile: `FROM scratch\nENV A0=xxxxxxxxxx\n${FOURTIMES('ENV')}\n` });
    const { exitCode, stderr } = await machine().wiac(['build', root]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('Dockerfile:14:1: the Dockerfile has more than 64 MiB');
  });
});

describe('large files are planned and checked', () => {
  const N = 12_000;
  test('and built: a step is looked up behind all that it stands on', async () => {
    const root = context({
      v: 'v',
      Dockerfile: `FROM scratch\n${lines(N, () => 'LABEL a=b')}\nCOPY v /\n`,
    });
    const { lowerdirs } = await machine().build(root);
    expect(readdirSync(lowerdirs)).toEqual(['v']);
  });

  test.each([
    ['LABEL', `FROM scratch\n${lines(N, (index) => `LABEL a${index}=b`)}`],
    ['ENV', `FROM scratch\n${lines(N, (index) => `ENV A${index + 1}=$A${index}`)}`],
    ['ARG', `FROM scratch\n${lines(N, (index) => `ARG A${index}=b`)}`],
    ['EXPOSE', `FROM scratch\n${lines(N, (index) => `EXPOSE ${index + 1}`)}`],
    ['VOLUME', `FROM scratch\n${lines(N, (index) => `VOLUME /v${index}`)}`],
    ['ONBUILD', `FROM scratch\n${lines(N, (index) => `ONBUILD RUN ${index}`)}`],
    ['stages', lines(N, (index) => `FROM scratch AS a${index}`)],
    ['stages of one name', lines(N, () => 'FROM scratch AS a')],
    ['empty lines', `FROM scratch\n${lines(N, () => 'LABEL a=\\\n\nb')}`],
    ['a line of 3 MB', `FROM scratch\nENV A=${'x'.repeat(3 << 20)}`],
    ['a quoted one', `FROM scratch\nENV A="${'x '.repeat(2 << 20)}"`],
    ['references', `FROM scratch\nENV A=${'$b'.repeat(1 << 18)}`],
    ['a here-document', `FROM scratch\nCOPY <<E /\n${lines(N, () => 'echo $x hello')}\nE`],
    ['brackets', `FROM scratch\nRUN ${'['.repeat(N)}`],
    [
      'flags',
      `FROM scratch\nCOPY ${lines(N, (index) => `--exclude=x${index}`).replaceAll('\n', ' ')} a /`,
    ],
    ['sources', `FROM scratch\nCOPY ${lines(N, (index) => `x${index}`).replaceAll('\n', ' ')} /`],
    [
      'here-documents',
      `FROM scratch\nCOPY ${lines(N, (index) => `<<e${index}`).replaceAll('\n', ' ')} /\n${lines(N, (index) => `x\ne${index}`)}`,
    ],
  ])('%s', (_, text) => {
    expect(getPlan(text).steps.length).toBeGreaterThan(0);
    expect(getWarnings(text)).toBeDefined();
  });

  test('names that are nearly right, among very many', () => {
    const count = 400;
    // Names of one length: each is compared with each.
    const known = lines(60_000, (index) => `ABC${100_000 + index}=b`).replaceAll('\n', ' ');
    const text = `FROM scratch\nENV ${known}\n${lines(count, (index) => `ENV x=$ABD${100_000 + index}`)}`;
    expect(getWarnings(text).length).toBe(count);
  });
});

describe('depth', () => {
  test.each([
    ['FROM', (index: number) => `FROM s${index - 1} AS s${index}\nENV A=${index}`],
    ['COPY --from', (index: number) => `FROM scratch AS s${index}\nCOPY --from=s${index - 1} / /`],
  ])('stages that need each other: %s', (_, stage) => {
    const text = `FROM scratch AS s0\nCOPY x /\n${lines(5000, (index) => stage(index + 1))}`;
    expect(() => getPlan(text)).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE', message: expect.stringContaining('300') }),
    );
    expect(getWarnings(text)).toBeDefined();
  });

  test.each([
    ['references', `ENV A=${'${a:-'.repeat(10_000)}x${'}'.repeat(10_000)}`],
    ['unclosed', `ENV A=${'${a:-'.repeat(10_000)}`],
  ])('of %s', (_, line) => {
    expect(() => getPlan(`FROM scratch\n${line}`)).toThrow(
      expect.objectContaining({ code: 'DOCKERFILE' }),
    );
  });
});

test('a pattern and a value that are too long to be matched', () => {
  const text = `FROM scratch\nENV A=${'a'.repeat(1 << 20)}\nENV B=\${A##${'*a'.repeat(1000)}b}`;
  expect(() => getPlan(text)).toThrow(/too long to be matched/);
});

test('messages quote no megabytes', async () => {
  const root = context({ Dockerfile: `FROM scratch\n${'X'.repeat(1 << 20)} y\nCOPY a b\n` });
  const { exitCode, stderr } = await machine().wiac(['build', root]);
  expect(exitCode).toBe(3);
  expect(stderr.length).toBeLessThan(2000);
});
