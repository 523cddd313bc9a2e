/** What differs between the inputs of two steps, and in which order it is told. */
import { describe, expect, test } from '@jest/globals';
import type { DefinitionKey, TreeDigest } from '../../src/keys/digest.js';
import type { SelectionInput, StepInputs } from '../../src/keys/inputs.js';
import type { Json } from '../../src/util/canonical-json.js';
import type { Difference } from '../../src/why/compare.js';
import { compareInputs } from '../../src/why/compare.js';
import type { Files } from '../support/memory-tree.js';
import { memoryTrees } from '../support/memory-tree.js';

const trees = memoryTrees();

const BEFORE: StepInputs = {
  version: 3,
  kind: 'run',
  platform: 'linux/amd64',
  operands: { argv: ['make'], workdir: '/src' },
  text: 'RUN make',
  files: [],
  parents: ['a' as DefinitionKey],
};

function compared(after: Partial<StepInputs>, before: Partial<StepInputs> = {}): Difference[] {
  return [...compareInputs({ ...BEFORE, ...before }, { ...BEFORE, ...after }, trees.read)];
}

function source(path: string, files: Files, more: Partial<SelectionInput> = {}): SelectionInput {
  const tree = trees.add(files);
  return {
    path,
    kind: 'directory',
    tree,
    below: '',
    directory: undefined,
    links: undefined,
    ...more,
  };
}

test('the same inputs have no difference', () => {
  expect(compared({})).toEqual([]);
});

test.each<[string, Partial<StepInputs>, Partial<Difference>]>([
  ['key version', { version: 4 }, { before: 3, after: 4 }],
  ['platform', { platform: 'linux/arm64' }, { before: 'linux/amd64', after: 'linux/arm64' }],
  ['instruction', { text: 'RUN make all' }, { before: 'RUN make', after: 'RUN make all' }],
  ['parent', { parents: ['b' as DefinitionKey] }, { index: 0, before: 'a', after: 'b' } as never],
])('%s', (kind, after, difference) => {
  expect(compared(after)).toEqual([{ kind, ...difference }]);
});

test('the step itself comes before its files, and those before its parents', () => {
  const files = (content: string) => [source('', { a: content })];
  const differences = compared(
    {
      text: 'RUN x',
      operands: { argv: ['x'] },
      files: files('2'),
      parents: ['b' as DefinitionKey],
    },
    { files: files('1') },
  );
  expect(differences.map(({ kind }) => kind)).toEqual([
    'instruction',
    'operand',
    'operand',
    'file',
    'parent',
  ]);
});

test('a parent more or less is a difference', () => {
  const parents = ['a', 'b'] as DefinitionKey[];
  expect(compared({ parents })).toEqual([
    { kind: 'parent', index: 1, before: undefined, after: 'b' },
  ]);
  expect(compared({}, { parents })).toEqual([
    { kind: 'parent', index: 1, before: 'b', after: undefined },
  ]);
});

test('each resource is a difference of its own', () => {
  const resources = (more: Json) => ({ operands: { resources: more } });
  expect(
    compared(
      resources({ extraHosts: ['a'], shmSize: 1, noHosts: true }),
      resources({ extraHosts: ['a'], shmSize: 2 }),
    ),
  ).toEqual([
    { kind: 'operand', name: 'resources shmSize', before: 2, after: 1 },
    { kind: 'operand', name: 'resources noHosts', before: undefined, after: true },
  ]);
});

describe('variables', () => {
  const env = (values: Record<string, string | null>) => ({ operands: { env: values } });

  test('each one is a difference of its own', () => {
    const differences = compared(
      env({ SAME: '1', NEW: '2', B: '3' }),
      env({ SAME: '1', OLD: '2', B: '4' }),
    );
    expect(differences).toEqual([
      { kind: 'operand', name: 'env NEW', before: undefined, after: '2' },
      { kind: 'operand', name: 'env B', before: '4', after: '3' },
      { kind: 'operand', name: 'env OLD', before: '2', after: undefined },
    ]);
  });

  test('a value that another machine kept to itself comes last, as what may differ', () => {
    const differences = compared(
      { ...env({ SECRET: '1', B: '2' }), parents: ['b' as DefinitionKey] },
      env({ SECRET: null, B: '1' }),
    );
    expect(differences.map(({ kind }) => kind)).toEqual(['operand', 'parent', 'withheld variable']);
    expect(differences[2]).toMatchObject({ name: 'SECRET', after: '1' });
  });

  test('of two entries either may be from another machine: a value there is never "nothing"', () => {
    const unknown = { kind: 'withheld variable', name: 'A' };
    expect(compared(env({ A: null }), env({ A: '1' }))).toEqual([
      { ...unknown, before: '1', after: null },
    ]);
    expect(compared(env({ A: null }), env({ A: null }))).toEqual([
      { ...unknown, before: null, after: null },
    ]);
    expect(compared(env({ A: null }), env({}))).toEqual([
      { kind: 'operand', name: 'env A', before: undefined, after: null },
    ]);
    expect(compared(env({}), env({ A: null }))).toEqual([
      { kind: 'operand', name: 'env A', before: null, after: undefined },
    ]);
  });
});

describe('files', () => {
  test('each changed file is named below the path of its source', () => {
    const before = [source('src', { 'a.c': '1', lib: { 'b.c': '1' }, gone: '' })];
    const after = [source('src', { 'a.c': '1', lib: { 'b.c': '2' }, made: '' })];
    const changes = compared({ files: after }, { files: before }).map((difference) =>
      difference.kind === 'file' ? [difference.change.change, difference.change.path] : difference,
    );
    expect(changes).toEqual([
      ['removed', 'src/gone'],
      ['changed', 'src/lib/b.c'],
      ['added', 'src/made'],
    ]);
  });

  test('a source that is a file has its own path', () => {
    const file = (content: string) => [source('dir/a', { a: content }, { kind: 'file' })];
    const [difference] = compared({ files: file('2') }, { files: file('1') });
    expect(difference).toMatchObject({
      kind: 'file',
      change: { change: 'changed', path: 'dir/a' },
    });
  });

  test('sources that came and went', () => {
    const differences = compared(
      { files: [source('a', {}), source('new', {})] },
      { files: [source('a', {}), source('old', {})] },
    );
    expect(differences).toEqual([{ kind: 'sources', added: ['new'], removed: ['old'] }]);
  });

  test('a tree that only another machine has is one difference', () => {
    const before = [{ ...source('src', {}), tree: 'f'.repeat(64) as TreeDigest }];
    const after = [source('src', { a: '1' })];
    expect(compared({ files: after }, { files: before })).toMatchObject([
      { kind: 'unlisted files', path: 'src' },
    ]);
  });

  test('the attributes of a directory of --parents', () => {
    const directory = (mode: number) => [source('a', {}, { directory: { mode, uid: 0, gid: 0 } })];
    expect(compared({ files: directory(0o700) }, { files: directory(0o755) })).toMatchObject([
      { kind: 'operand', name: 'directory a', before: { mode: 0o755 }, after: { mode: 0o700 } },
    ]);
    const way = (mode: number) => [source('a', {}, { ways: [{ mode, uid: 0, gid: 0 }] })];
    expect(compared({ files: way(0o700) }, { files: way(0o755) })).toMatchObject([
      { kind: 'operand', name: 'directories above a', before: [{ mode: 0o755 }] },
    ]);
  });
});

test('the first difference is found without reading any tree', () => {
  const read = () => {
    throw new Error('a tree was read');
  };
  const files = [source('', { a: '1' })];
  const after = { ...BEFORE, text: 'RUN other', files };
  expect(compareInputs(BEFORE, after, read).next().value).toMatchObject({ kind: 'instruction' });
});
