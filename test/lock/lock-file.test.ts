/** The form of lock files: what is written, what is read, and what every wrong one is told. Pure. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { LockedSource, LockFile } from '../../src/lock/lock-file.js';
import { formatLock, lockPath } from '../../src/lock/lock-file.js';
import { parseLock } from '../../src/lock/parse-lock.js';
import type { LockError } from '../../src/util/errors.js';

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const DEBIAN: LockedSource = {
  kind: 'image',
  name: 'docker.io/library/debian:12',
  platform: 'linux/amd64',
  digest: digest('a'),
  index: digest('b'),
  usedBy: ['build: FROM debian:12 AS build'],
};
const SOURCES: readonly LockedSource[] = [
  DEBIAN,
  { kind: 'http', name: 'https://example.org/x', checksum: digest('c'), usedBy: ['ADD x /'] },
  { kind: 'git', name: 'https://h/r.git', ref: 'v1', commit: 'd'.repeat(40), usedBy: ['b', 'a'] },
];
const LOCK: LockFile = {
  dockerfile: 'Dockerfile',
  platforms: ['linux/arm64', 'linux/amd64'],
  allowNetwork: ['b/RUN x'],
  sources: SOURCES,
};
const TEXT = formatLock(LOCK);

/** The error of a text, as it is printed. */
function problem(text: string, dockerfile = 'Dockerfile') {
  try {
    parseLock('D.lock', text, dockerfile);
  } catch (error) {
    const { code, location, message, hint } = error as LockError;
    expect(code).toBe('LOCK');
    expect(hint).toBeTruthy();
    return `${location?.file}:${location?.line}: ${message}`;
  }
  return undefined;
}

describe('writing', () => {
  test('one line a source, sorted, the same for every order', () => {
    const [image, http, git] = SOURCES.map(({ name }) => JSON.stringify(name));
    expect(TEXT.split('\n')).toEqual([
      '{',
      '  "version": 1,',
      '  "dockerfile": "Dockerfile",',
      '  "platforms": ["linux/amd64","linux/arm64"],',
      '  "allow-network": [',
      '    "b/RUN x"',
      '  ],',
      '  "sources": [',
      `    {"git":${git},"ref":"v1","commit":"${'d'.repeat(40)}","usedBy":["a","b"]},`,
      `    {"http":${http},"checksum":"${digest('c')}","usedBy":["ADD x /"]},`,
      `    {"image":${image},"platform":"linux/amd64","digest":"${digest('a')}","index":"${digest('b')}","usedBy":["build: FROM debian:12 AS build"]}`,
      '  ]',
      '}',
      '',
    ]);
    expect(formatLock({ ...LOCK, sources: [...SOURCES].reverse() })).toBe(TEXT);
  });

  test('what was written is read again, whatever the names are', () => {
    const name = fc.string({ minLength: 1 });
    const source = fc.record({
      kind: fc.constant('git' as const),
      name,
      ref: fc.option(name, { nil: undefined }),
      commit: fc.constant('e'.repeat(40)),
      tag: fc.constant(undefined),
      usedBy: fc.constant(['x']),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(source, { selector: ({ name, ref }) => JSON.stringify([name, ref]) }),
        fc.array(name),
        (sources, allowNetwork) => {
          const text = formatLock({ dockerfile: 'D', platforms: [], allowNetwork, sources });
          expect(formatLock(parseLock('f', text, 'D'))).toBe(text);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('two Dockerfiles of one directory have two lock files', () => {
    expect(['a/Dockerfile', 'a/Dockerfile.dev', 'Containerfile'].map(lockPath)).toEqual([
      'a/Dockerfile.lock',
      'a/Dockerfile.dev.lock',
      'Containerfile.lock',
    ]);
  });
});

describe('a wrong lock file', () => {
  const conflict = TEXT.replace('    {"http"', '<<<<<<< HEAD\n    {"http"');
  test.each([
    ['merge conflict', conflict, 'D.lock:10: a merge conflict was left in the lock file'],
    [
      'not JSON',
      TEXT.replace('"sources": [', '"sources": ['.slice(0, -1)),
      /^D\.lock:10: the lock file is not JSON/,
    ],
    ['cut off', TEXT.slice(0, 40), /^D\.lock:3: the lock file is not JSON/],
    ['empty', '', /^D\.lock:1: the lock file is not JSON/],
    ['another file', '[]', 'D.lock:1: this is no lock file'],
    ['no version', '{}', 'D.lock:1: this is no lock file: it has no version'],
    [
      'newer',
      TEXT.replace('"version": 1', '"version": 2'),
      'D.lock:2: the lock file has version 2, and this wiac knows version 1',
    ],
    [
      'no Dockerfile',
      TEXT.replace('"dockerfile"', '"file"'),
      'D.lock:1: the lock file does not say which Dockerfile it is of',
    ],
    [
      'no list',
      TEXT.replace('"sources"', '"source"'),
      'D.lock:1: the lock file has no list of sources',
    ],
    ['steps', TEXT.replace('"b/RUN x"', '7'), 'D.lock:5: allow-network is no list of steps'],
    [
      'twice',
      formatLock({ ...LOCK, sources: [...SOURCES, DEBIAN] }),
      'D.lock:12: image docker.io/library/debian:12 (linux/amd64) is there twice',
    ],
    [
      'digest',
      TEXT.replace('sha256:a', 'sha256:X'),
      /^D\.lock:11: docker\.io\/library\/debian:12 has the digest "sha256:Xaaa/,
    ],
    [
      'no digest',
      TEXT.replace('"digest"', '"diggest"'),
      'D.lock:11: docker.io/library/debian:12 has no digest',
    ],
    [
      'commit',
      TEXT.replace('"commit":"d', '"commit":"-'),
      /^D\.lock:9: https:\/\/h\/r\.git has the commit/,
    ],
    [
      'no kind',
      TEXT.replace('"http":', '"ftp":'),
      'D.lock:1: source 2 is neither image, git nor http',
    ],
    [
      'terminal',
      TEXT.replace('debian:12', 'debian\\u001b[31m'),
      /^D\.lock:\d+: docker\.io\/library\/debian\S+ has the image "docker\.io\/library\/debian\\u001b/,
    ],
    [
      'deep',
      TEXT.replace('"docker.io/library/debian:12"', '['.repeat(20_000) + ']'.repeat(20_000)),
      'D.lock:1: source 3 has no text as its image',
    ],
    [
      'long',
      TEXT.replace('sha256:a', 'X'.repeat(1_000)),
      /^D\.lock:11: docker\.io\/library\/debian:12 has the digest "X{200}"$/,
    ],
    ['no object', TEXT.replace('{"http"', '7, {"http"'), 'D.lock:1: source 2 is no object'],
    [
      'uses',
      TEXT.replace('["ADD x /"]', '1'),
      'D.lock:10: https://example.org/x has no list usedBy',
    ],
  ])('%s', (_, text, message) => {
    expect(problem(text)).toEqual(
      typeof message === 'string' ? message : expect.stringMatching(message),
    );
  });

  test('with the line ends and the mark of Windows it says the same', () => {
    expect(parseLock('D.lock', `\uFEFF${TEXT.replaceAll('\n', '\r\n')}`, 'Dockerfile')).toEqual(
      parseLock('D.lock', TEXT, 'Dockerfile'),
    );
  });

  test('of another Dockerfile', () => {
    expect(problem(TEXT)).toBeUndefined();
    expect(problem(TEXT, 'Dockerfile.dev')).toBe(
      'D.lock:3: this is the lock file of Dockerfile, not of Dockerfile.dev',
    );
  });
});
