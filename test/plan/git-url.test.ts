/** Addresses of git repositories, as ADD takes them. */
import { describe, expect, test } from '@jest/globals';
import { isGitAddress, parseGitAddress } from '../../src/plan/git-url.js';
import { remotePath, remoteSource } from '../../src/plan/remote.js';

const HERE = { file: 'Dockerfile', line: 1, column: 1, endLine: 1 };
const parse = (source: string) => parseGitAddress(source, HERE);
const NOTHING = {
  credentials: undefined,
  ref: undefined,
  subdirectory: '',
  checksum: undefined,
  keepGitDirectory: undefined,
  submodules: undefined,
};
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

test.each([
  ['https://host/r.git', true],
  ['https://host/r.git#v1:dir', true],
  ['https://host/r.git?ref=v1', true],
  ['https://host/r?x=.git', false],
  ['https://host/r', false],
  ['git://host/r', true],
  ['ssh://git@host/r', true],
  ['git@host:r', true],
  ['-oProxyCommand=x@host:r', false],
  ['-x@host:r', false],
  ['./r.git', false],
  ['r.git', false],
])('%s is a repository: %s', (source, expected) => {
  expect(isGitAddress(source)).toBe(expected);
});

test.each([
  ['https://host/r.git', {}],
  ['https://host/r.git#v1', { ref: 'v1' }],
  ['https://host/r.git#v1:a/../b/', { ref: 'v1', subdirectory: 'b' }],
  ['https://host/r.git#:../../a', { subdirectory: 'a' }],
  ['https://host/r.git?ref=v1&subdir=a', { ref: 'v1', subdirectory: 'a' }],
  ['https://host/r.git?branch=a/b', { ref: 'refs/heads/a/b' }],
  ['https://host/r.git?tag=refs/tags/v1', { ref: 'refs/tags/v1' }],
  [`https://host/r.git?commit=${COMMIT}`, { ref: COMMIT, checksum: COMMIT }],
  ['https://host/r.git?branch=a&checksum=0123456', { ref: 'refs/heads/a', checksum: '0123456' }],
  ['https://host/r.git?keep-git-dir&submodules=0', { keepGitDirectory: true, submodules: false }],
  ['https://host/r.git?submodules=true#v1', { submodules: true, ref: 'v1' }],
  // As the newest BuildKit takes them: here it is always so.
  ['https://host/r.git?ref=a&fetch-by-commit=true&mtime=commit', { ref: 'a' }],
])('%s', (source, expected) => {
  expect(parse(source)).toEqual({ ...NOTHING, url: 'https://host/r.git', ...expected });
});

test('user and password are taken out, those of ssh are no secret', () => {
  expect(parse('https://u:p%40ss@host:8/r.git#a')).toMatchObject({
    url: 'https://host:8/r.git',
    credentials: { user: 'u', password: 'p@ss' },
  });
  expect(parse('ssh://git@host/r.git')).toMatchObject({
    url: 'ssh://git@host/r.git',
    credentials: undefined,
  });
  expect(parse('git@host:a/r.git#v1')).toMatchObject({ url: 'git@host:a/r.git', ref: 'v1' });
});

test.each([
  ['https://host/r.git?ref=a#b', 'two values for ref: b and a'],
  ['https://host/r.git?branch=a&tag=a', 'two values for ref'],
  ['https://host/r.git?subdir=a#b:c', 'two values for subdir'],
  ['https://host/r.git?ref=', 'ref has no value'],
  ['https://host/r.git?ref=a&ref=a', 'ref is there twice'],
  ['https://host/r.git?reff=a', 'there is no reff'],
  ['https://host/r.git?submodules=perhaps', 'is not a boolean'],
  ['https://host/r.git?fetch-by-commit=perhaps', 'is not a boolean'],
  ['https://host/r.git?mtime=now', 'mtime=now is not known'],
  ['https://host/r.git#-x', 'is not the name of a branch'],
  ['https://u:secret@host/r.git?x=y', 'https://host/r.git?x=y'],
])('%s: %s', (source, message) => {
  expect(() => parse(source)).toThrow(message);
});

describe('files of web servers', () => {
  const getName = (url: string) => {
    const found = remoteSource(url, { checksum: undefined, keepGitDirectory: undefined }, HERE);
    return found && [(found.source as { name: string }).name, remotePath(found.source)];
  };
  test.each([
    ['http://host/a/b.txt?x=y#z', 'b.txt'],
    ['http://host/a%20b', 'a b'],
    ['http://host/', '__unnamed__'],
    ['http://host', '__unnamed__'],
    ['http://host/a/', 'a'],
    ['http://host/%2e%2e%2f%2e%2e', '__unnamed__'],
  ])('%s is called %s', (url, name) => {
    expect(getName(url)).toEqual([name, name]);
  });
  test('a wildcard in the name is none', () => {
    expect(getName('http://host/a*[b]')).toEqual(['a*[b]', 'a\\*\\[b\\]']);
  });
});

test.each([
  ['https://host/r.git?checksum=0123456', { checksum: '7654321', keepGitDirectory: undefined }],
  ['https://host/r.git?keep-git-dir=false', { checksum: undefined, keepGitDirectory: true }],
  ['https://host/r.git', { checksum: '012345', keepGitDirectory: undefined }],
  ['https://host/r.git', { checksum: `sha256:${'0'.repeat(64)}`, keepGitDirectory: undefined }],
])('flags that contradict %s', (source, flags) => {
  expect(() => remoteSource(source, flags, HERE)).toThrow(
    expect.objectContaining({ code: 'DOCKERFILE' }),
  );
});
