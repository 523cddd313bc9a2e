import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { TreeEntry } from '../../src/fs/scan/tree.js';
import { decodeTree, encodeTree, isPlainTree } from '../../src/fs/scan/tree.js';
import type { FileDigest, TreeDigest } from '../../src/keys/digest.js';

const digest = fc.constant('ab'.repeat(32));
const pairs = fc.array(fc.tuple(fc.string(), fc.constant('00ff')), { maxLength: 2 });
const base = {
  name: fc.oneof(fc.string(), fc.string({ unit: 'binary' })),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.nat(),
  gid: fc.nat(),
  xattrs: fc.oneof(fc.constant([]), pairs),
};
const entries: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.record({
    ...base,
    type: fc.constant('file' as const),
    digest: digest.map((text) => text as FileDigest),
    size: fc.maxSafeNat(),
  }),
  fc.record({
    ...base,
    type: fc.constant('dir' as const),
    digest: digest.map((text) => text as TreeDigest),
  }),
  fc.record({ ...base, type: fc.constant('symlink' as const), target: fc.string() }),
  fc.record({ ...base, type: fc.constant('char' as const), device: fc.nat() }),
);

test('a node is the JSON of its entries, one a line, whatever their names are', () => {
  fc.assert(
    fc.property(fc.array(entries, { maxLength: 4 }), (all) => {
      const { text } = encodeTree(all);
      expect(decodeTree(text)).toEqual(all);
      const lines = (JSON.parse(text) as unknown[]).map((entry) => JSON.stringify(entry));
      expect(text).toBe(`[${lines.join(',\n')}]`);
    }),
  );
});

test('a plain tree has neither devices nor attributes, at any depth; names do not look like them', () => {
  const texts = new Map<TreeDigest, string>();
  const node = (...all: TreeEntry[]): TreeDigest => {
    const encoded = encodeTree(all);
    texts.set(encoded.digest, encoded.text);
    return encoded.digest;
  };
  const common = { mode: 0o644, uid: 0, gid: 0, xattrs: [] };
  const file = (name: string): TreeEntry => ({
    ...common,
    type: 'file',
    name,
    digest: 'ab'.repeat(32) as FileDigest,
    size: 1,
  });
  const within = (tree: TreeDigest) => node({ ...common, type: 'dir', name: 'd', digest: tree });
  const isPlain = (tree: TreeDigest) => isPlainTree((digest) => texts.get(digest), tree);
  expect(isPlain(within(node(file('a'), file('["c","x"'), file('\n["c",'))))).toBe(true);
  expect(isPlain(within(node(file('a'), { ...common, type: 'char', name: 'w', device: 0 })))).toBe(
    false,
  );
  expect(isPlain(within(node({ ...file('a'), xattrs: [['user.x', '00']] })))).toBe(false);
  expect(isPlain(within('cd'.repeat(32) as TreeDigest))).toBe(false);
});
