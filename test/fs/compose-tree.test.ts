/** The tree of a COPY's layer, from the trees of what was copied. */
import { describe, expect, test } from '@jest/globals';
import { composeTree } from '../../src/fs/layer/compose-tree.js';
import type { CopyRequest } from '../../src/fs/layer/copy-job.js';
import type { Destination } from '../../src/fs/layer/destination.js';
import type { TreeEntry } from '../../src/fs/scan/tree.js';
import { encodeTree, walkTree } from '../../src/fs/scan/tree.js';
import type { Selection } from '../../src/fs/select/select.js';
import type { TreeDigest } from '../../src/keys/digest.js';
import type { Files } from '../support/memory-tree.js';
import { fileEntry, memoryTrees } from '../support/memory-tree.js';

const trees = memoryTrees();

const at = (path: string, more: Partial<Destination> = {}): Destination => ({
  path,
  kind: 'missing',
  ancestors: [],
  obstacle: undefined,
  ...more,
});

function directory(files: Files, more: Partial<Selection> = {}): Selection {
  const tree = trees.add(files);
  const rest = { path: '', name: 'source', below: '', links: undefined, directory: undefined };
  return { kind: 'directory', tree, ...rest, ...more } as unknown as Selection;
}

const file = (name: string, content: string, more: Partial<Selection> = {}) =>
  directory({ [name]: content }, { kind: 'file', name, ...more });

function composed(selections: Selection[], more: Partial<CopyRequest> = {}) {
  const request = {
    selections,
    destination: at('app'),
    intoDirectory: false,
    owner: undefined,
    chmod: undefined,
    ...more,
  } as CopyRequest;
  return composeTree(request, trees);
}

/** The same, with attributes and digests. */
function listed(...args: Parameters<typeof composed>): string[] | undefined {
  const composition = composed(...args);
  return composition && trees.list(composition.tree);
}

const expected = (files: Files) => trees.list(trees.add(files));

test('the content of a directory goes into the destination', () => {
  expect(listed([directory({ a: '1', d: { b: '2' } })])).toEqual(
    expected({ app: { a: '1', d: { b: '2' } } }),
  );
});

test('two directories become one; of two files with one name the later one stays', () => {
  const both = listed([directory({ a: '1', b: '1' }), directory({ b: '2', c: '2' })]);
  expect(both).toEqual(expected({ app: { a: '1', b: '2', c: '2' } }));
});

test('a file gets the name of the destination, or goes into it', () => {
  expect(listed([file('a', '1')])).toEqual(expected({ app: '1' }));
  expect(listed([file('a', '1')], { intoDirectory: true })).toEqual(expected({ app: { a: '1' } }));
});

test('a directory that the layers below have keeps its attributes', () => {
  const existing = { mode: 0o1777, uid: 7, gid: 8 };
  const destination = at('tmp/x', { ancestors: [{ path: 'tmp', existing }] });
  const [tmp] = listed([file('a', '1')], { destination }) ?? [];
  expect(tmp).toBe('tmp 1777 7:8/');
});

test('--chown and --chmod are those of every entry', () => {
  const chmod = (_: number, isDirectory: boolean) => (isDirectory ? 0o711 : 0o600);
  const owner = { uid: 1, gid: 2 };
  const list = listed(
    [directory({ d: { b: '2' } }, { directory: { mode: 0o755, uid: 0, gid: 0 } })],
    { owner, chmod },
  );
  expect(list?.map((line) => line.split(' ').slice(0, 3).join(' ').replace(/\/$/, ''))).toEqual([
    'app 711 1:2',
    'app/d 711 1:2',
    'app/d/b 600 1:2',
  ]);
});

describe('only the layer itself can tell', () => {
  test.each<[string, Selection[]]>([
    ['a file over a directory', [directory({ a: { b: '1' } }), directory({ a: '1' })]],
    ['a directory over a file', [directory({ a: '1' }), directory({ a: { b: '1' } })]],
    ['two directories of one name', [directory({ a: { b: '1' } }), directory({ a: { c: '1' } })]],
  ])('%s', (_, selections) => {
    expect(composed(selections)).toBe(undefined);
  });
});

test('names of one file are paths of the layer, sorted', () => {
  const links = [['b', 'a']];
  expect(composed([directory({ a: '1', b: '1' }, { links })])?.links).toEqual([['app/a', 'app/b']]);
  expect(composed([directory({ a: '1' })])?.links).toBe(undefined);
  // The later source takes the place of one of the names: the other one is no link any more.
  const linked = directory({ a: '1', b: '1' }, { links });
  expect(composed([linked, directory({ a: '1' })])).toBe(undefined);
  expect(composed([linked, directory({ c: '1' })])?.links).toEqual([['app/a', 'app/b']]);
});

test('with --parents a file goes below its own directories', () => {
  expect(listed([file('a', '1', { below: 'x/y' })])).toEqual(
    expected({ app: { x: { y: { a: '1' } } } }),
  );
});

describe('extended attributes', () => {
  const pairs = [['user.a', '31']] as const;
  const node = (entries: TreeEntry[]) => {
    const { digest, text } = encodeTree(entries);
    trees.write(digest, text);
    return digest;
  };
  const below = (xattrs: TreeEntry['xattrs']): TreeEntry => ({
    ...{ type: 'dir', name: 'd', mode: 0o755, uid: 0, gid: 0, xattrs },
    digest: trees.add({ a: '1' }),
  });
  const outer = (entry: TreeEntry) =>
    directory(
      {},
      { tree: node([{ ...below([]), name: 'o', digest: node([entry]) } as TreeEntry]) },
    );

  test.each([
    ['without an owner', {}],
    ['with an owner', { owner: { uid: 1, gid: 1 } }],
  ])('of a directory are copied, %s', (_, more) => {
    const tree = composed([outer(below(pairs))], more)?.tree as TreeDigest;
    const all = [...walkTree(trees.read, tree)].map(({ entry }) => [entry.name, entry.xattrs]);
    expect(all).toEqual(expect.arrayContaining([['d', pairs]]));
    expect(all.filter(([, xattrs]) => xattrs?.length !== 0)).toHaveLength(1);
  });

  test('of a file are copied', () => {
    const entry = { ...fileEntry('f', '1'), xattrs: pairs };
    const tree = composed([outer(entry)])?.tree as TreeDigest;
    expect([...walkTree(trees.read, tree)].at(-1)?.entry).toEqual(entry);
  });
});
