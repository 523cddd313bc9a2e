/** Where paths with symbolic links lead, in trees that are only a table. */
import { describe, expect, test } from '@jest/globals';
import { followLinks, pathTree } from '../../src/fs/follow-links.js';

const LINKS: Readonly<Record<string, string>> = {
  bin: 'usr/bin',
  'usr/abs': '/usr/bin',
  'usr/up': '../etc',
  'usr/far': '../../../etc',
  self: 'self',
  'dot/here': './a//b/.',
};

/** chain/N is a link to the one before it. */
function chained(path: string): string | undefined {
  const [, number] = /^chain\/(\d+)$/.exec(path) ?? [];
  if (number === undefined) return undefined;
  return number === '1' ? 'end' : String(Number(number) - 1);
}

function follow(path: string, outside: 'nothing' | 'forbidden') {
  const tree = pathTree(outside, (at) => {
    if (at.startsWith('gone')) return undefined;
    const link = chained(at) ?? LINKS[at];
    return link === undefined ? { place: at } : { link };
  });
  const reached = followLinks(tree, path.split('/'));
  return reached.kind === 'found' ? reached.place : reached.kind;
}

describe.each(['nothing', 'forbidden'] as const)('outside is %s', (outside) => {
  test.each([
    ['', ''],
    ['.', ''],
    ['a/./b//c', 'a/b/c'],
    ['/a', 'a'],
    ['a/../b', 'b'],
    ['bin/sh', 'usr/bin/sh'],
    ['bin/..', 'usr'],
    ['usr/up/passwd', 'etc/passwd'],
    ['dot/here/c', 'dot/a/b/c'],
    ['gone/x', 'missing'],
    ['self', 'loop'],
    ['chain/40', 'chain/end'],
    ['chain/41', 'loop'],
  ])('%s', (path, reached) => {
    expect(follow(path, outside)).toBe(reached);
  });
});

test.each([
  ['usr/abs/sh', 'usr/bin/sh', 'outside'],
  ['usr/far/passwd', 'etc/passwd', 'outside'],
  ['../a', 'a', 'outside'],
])('%s stays in a root, and leads out of a context', (path, confined, forbidden) => {
  expect(follow(path, 'nothing')).toBe(confined);
  expect(follow(path, 'forbidden')).toBe(forbidden);
});
