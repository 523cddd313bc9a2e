/** Differences in words. */
import { describe, expect, test } from '@jest/globals';
import type { TreeEntry } from '../../src/fs/scan/tree.js';
import type { DefinitionKey, TreeDigest } from '../../src/keys/digest.js';
import type { Difference } from '../../src/why/compare.js';
import {
  describeChange,
  describeDifference,
  describeEntry,
} from '../../src/why/describe-change.js';
import { fileEntry } from '../support/memory-tree.js';

const file = fileEntry('a', 'x', 0o644);
const OWNER = { uid: 0, gid: 0, xattrs: [] };
const link = (target: string): TreeEntry => ({
  type: 'symlink',
  name: 'l',
  mode: 0o777,
  ...OWNER,
  target,
});
const directory: TreeEntry = {
  type: 'dir',
  name: 'd',
  mode: 0o1777,
  ...OWNER,
  digest: '0'.repeat(64) as TreeDigest,
};

test('names of others are one line, and drive no terminal', () => {
  const path = 'new\nline\u001b[31m\u{10ffff}';
  const shown = 'new\\nline\\x1b[31m\\xff';
  const change = { change: 'removed', path, before: link('\u0007') } as const;
  expect(describeChange(change)).toBe(`${shown} was removed (symlink -> \\x07)`);
  expect(describeDifference({ kind: 'file', change }, () => '')).toContain(`${shown} was`);
  expect(describeDifference({ kind: 'parent', index: 0 } as Difference, () => 'RUN \u001b')).toBe(
    'RUN \\x1b changed',
  );
});

test('entries', () => {
  expect(describeEntry(file)).toBe('file 0644 sha256 2d711642b726 1 B');
  expect(describeEntry(link('../x'))).toBe('symlink -> ../x');
  expect(describeEntry(directory)).toBe('dir 1777');
});

describe('changed files', () => {
  const changed = (before: TreeEntry, after: TreeEntry) =>
    describeChange({ change: 'changed', path: 'p', before, after });

  test.each<[string, TreeEntry, TreeEntry]>([
    ['content 2d711642b726 -> a1fce4363854', file, fileEntry('a', 'y')],
    ['mode 0644 -> 0755', file, { ...file, mode: 0o755 }],
    ['owner 0:0 -> 1000:100', file, { ...file, uid: 1000, gid: 100 }],
    ['extended attributes', file, { ...file, xattrs: [['user.a', '00']] }],
    ['target a -> b', link('a'), link('b')],
    ['file became dir', file, directory],
    ['mode 0644 -> 0600, owner 0:0 -> 1:0', file, { ...file, mode: 0o600, uid: 1 }],
  ])('%s', (words, before, after) => {
    expect(changed(before, after)).toBe(`p changed (${words})`);
  });

  test('that came and went', () => {
    expect(describeChange({ change: 'added', path: 'p', after: link('x') })).toBe(
      'p was added (symlink -> x)',
    );
    expect(describeChange({ change: 'removed', path: 'p', before: directory })).toBe(
      'p was removed (dir 1777)',
    );
  });
});

describe('differences', () => {
  const words = (difference: Difference) => describeDifference(difference, (at) => `step ${at}`);

  test.each<[string, Difference]>([
    ['WORD is set now: "b"', { kind: 'operand', name: 'env WORD', before: undefined, after: 'b' }],
    [
      'WORD is not set any more, it was "b"',
      { kind: 'operand', name: 'env WORD', before: 'b', after: undefined },
    ],
    ['user changed from "" to "www"', { kind: 'operand', name: 'user', before: '', after: 'www' }],
    [
      'script changed from nothing to "a"',
      { kind: 'operand', name: 'script', before: null, after: 'a' },
    ],
    [
      '--shm-size changed from 1 to 2',
      { kind: 'operand', name: 'resources shmSize', before: 1, after: 2 },
    ],
    [
      '--ulimit changed',
      { kind: 'operand', name: 'resources ulimits', before: [], after: [{ resource: 7, soft: 1 }] },
    ],
    ['a b was added, c was removed', { kind: 'sources', added: ['a', 'b'], removed: ['c'] }],
    ['c was removed', { kind: 'sources', added: [], removed: ['c'] }],
    [
      'files of src changed',
      { kind: 'unlisted files', path: 'src', before: '' as TreeDigest, after: '' as TreeDigest },
    ],
    [
      'TOKEN may have another value now: this machine does not know the former one',
      { kind: 'withheld variable', name: 'TOKEN', before: null, after: 'x' },
    ],
    [
      'TOKEN may have another value now: this machine does not know the new one',
      { kind: 'withheld variable', name: 'TOKEN', before: 'x', after: null },
    ],
    [
      'TOKEN may have another value now: this machine knows neither',
      { kind: 'withheld variable', name: 'TOKEN', before: null, after: null },
    ],
    ['TOKEN is set now', { kind: 'operand', name: 'env TOKEN', before: undefined, after: null }],
    [
      'TOKEN is not set any more',
      { kind: 'operand', name: 'env TOKEN', before: null, after: undefined },
    ],
    [
      'step 1 changed',
      { kind: 'parent', index: 1, before: undefined, after: 'k' as DefinitionKey },
    ],
    ['the instruction was RUN a b', { kind: 'instruction', before: 'RUN a\nb', after: 'RUN c' }],
    ['platform changed from a to b', { kind: 'platform', before: 'a', after: 'b' }],
    ['key version changed from 2 to 3', { kind: 'key version', before: 2, after: 3 }],
  ])('%s', (line, difference) => {
    expect(words(difference)).toBe(line);
  });

  test('of long values the part is shown in which they differ', () => {
    const long = 'x'.repeat(500);
    const line = words({ kind: 'operand', name: 'script', before: `${long}A`, after: `${long}B` });
    expect(line).toBe('script changed from ...xxxxxxxxxxxxA" to ...xxxxxxxxxxxxB"');
  });

  test('a long instruction is cut', () => {
    const line = words({ kind: 'instruction', before: `RUN ${'x'.repeat(500)}`, after: '' });
    expect(line).toBe(`the instruction was RUN ${'x'.repeat(53)}...`);
  });
});
