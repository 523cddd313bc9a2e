/** Whether what a COPY takes can go where it is to go. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { refuseConflicts, refuseDestination } from '../../src/engine/copy-checks.js';
import type { Destination } from '../../src/fs/layer/destination.js';
import type { ScannedDirectory } from '../../src/fs/scan/listing.js';
import type { Selection } from '../../src/fs/select/select.js';
import type { CopyStep } from '../../src/plan/step.js';
import { DockerfileError } from '../../src/util/errors.js';
import { getStep } from '../support/steps.js';

const at = (path: string, kind: Destination['kind']): Destination => ({
  path,
  kind,
  ancestors: [],
  obstacle: undefined,
});

/** Names of files; a list is a directory. */
type Tree = { readonly [name: string]: Tree | null };

function scanned(tree: Tree): ScannedDirectory {
  const children = Object.entries(tree).map(([name, below]) => ({
    name,
    directory: below === null ? undefined : scanned(below),
  }));
  const subdirectories = new Map(
    children.flatMap(({ name, directory }) => (directory ? [[name, directory] as const] : [])),
  );
  return { children, names: Object.keys(tree), subdirectories } as unknown as ScannedDirectory;
}

const file = { kind: 'file', below: '' } as unknown as Selection;
const directory = (tree: Tree = {}) =>
  ({ kind: 'directory', below: '', files: scanned(tree) }) as unknown as Selection;

describe('several sources', () => {
  const copy = (members: Partial<CopyStep>) =>
    getStep('copy', 's1', {
      sources: ['a', 'b'],
      inline: [],
      destination: '/x',
      parents: false,
      ...members,
    });
  const refused = (step: CopyStep, kind: Destination['kind'], selections: Selection[]) => {
    try {
      refuseDestination(step, at('x', kind), { selections, archives: [] });
      return undefined;
    } catch (error) {
      expect(error).toBeInstanceOf(DockerfileError);
      return (error as DockerfileError).message;
    }
  };
  const inline = [{ name: 'EOF', content: '' }];

  test.each<[string, Partial<CopyStep>, Destination['kind'], Selection[], boolean]>([
    ['two files become no file', {}, 'missing', [file, file], true],
    ['two files do not replace a file', {}, 'other', [file, file], true],
    ['two files go into a directory', {}, 'directory', [file, file], false],
    [
      'a slash at the end makes a directory',
      { destination: '/x/' },
      'missing',
      [file, file],
      false,
    ],
    ['two directories become one', {}, 'missing', [directory(), directory()], false],
    ['a file and a directory do not', {}, 'missing', [file, directory()], true],
    ['a file and a here-document do not', { sources: ['a'], inline }, 'missing', [file], true],
    [
      'a directory and a here-document do not',
      { sources: ['a'], inline },
      'missing',
      [directory()],
      true,
    ],
    ['of one wildcard the last file stays', { sources: ['*'] }, 'missing', [file, file], false],
    ['--parents makes directories', { parents: true }, 'missing', [file, file], false],
  ])('%s', (_, members, kind, selections, isRefused) => {
    const message = refused(copy(members), kind, selections);
    expect(message !== undefined).toBe(isRefused);
    if (isRefused) expect(message).toContain("can't become the file /x");
  });

  test('an archive is not unpacked into a file', () => {
    const step = copy({ sources: ['a.tar'] });
    const sources = { selections: [file], archives: [file] };
    expect(() => refuseDestination(step, at('x', 'other'), sources)).toThrow('no directory');
    refuseDestination(step, at('x', 'missing'), sources);
  });
});

describe('a directory over something else', () => {
  let layer = '';
  beforeEach(() => {
    layer = mkdtempSync(join(tmpdir(), 'wiac-copy-checks-'));
    mkdirSync(join(layer, 'usr/bin'), { recursive: true });
    symlinkSync('usr/bin', join(layer, 'bin'));
    writeFileSync(join(layer, 'usr/file'), '');
  });
  afterEach(() => rmSync(layer, { recursive: true }));

  const check = (tree: Tree, path = '', below = '') =>
    refuseConflicts(
      [{ path: layer, opaque: new Set() }],
      getStep('copy', 's1', { inline: [], destination: '/' }),
      at(path, 'directory'),
      [{ ...directory(tree), below }],
    );

  test('a symbolic link such as /bin is not hidden', () => {
    expect(() => check({ bin: {} })).toThrow('COPY would put a directory over /bin, which is none');
    expect(() => check({ file: { a: null } }, 'usr')).toThrow('/usr/file');
    expect(() => check({ file: {} }, '', 'usr')).toThrow('/usr/file');
    expect(() => check({ usr: { file: {} } })).toThrow('/usr/file');
  });

  test('a directory stays one', () => {
    expect(() => check({ usr: null })).toThrow('COPY would put a file over /usr, which is a dir');
    expect(() => check({ usr: { bin: null } })).toThrow('/usr/bin');
    const stack = [{ path: layer, opaque: new Set<string>() }];
    const one = { ...file, name: 'bin' };
    const copy = (members: Partial<CopyStep>, destination: Destination, selections: Selection[]) =>
      refuseConflicts(
        stack,
        getStep('copy', 's1', { inline: [], ...members }),
        destination,
        selections,
      );
    expect(() => copy({ destination: '/usr' }, at('usr', 'directory'), [one])).toThrow('/usr/bin');
    const inline = [{ name: 'bin', content: '' }];
    expect(() => copy({ destination: '/usr', inline }, at('usr', 'directory'), [])).toThrow(
      '/usr/bin',
    );
  });

  test('a file stays one where a directory would be made', () => {
    const stack = [{ path: layer, opaque: new Set<string>() }];
    const copy = (destination: string, selection: Selection) =>
      refuseConflicts(
        stack,
        getStep('copy', 's1', { inline: [], destination }),
        at('usr/file', 'other'),
        [selection],
      );
    expect(() => copy('/usr/file', directory())).toThrow('a directory over /usr/file');
    expect(() => copy('/usr/file/', { ...file, name: 'a' })).toThrow('a directory over /usr/file');
    copy('/usr/file', { ...file, name: 'a' });
    const link = getStep('copy', 's1', { inline: [], destination: '/usr/file', link: true });
    refuseConflicts(stack, link, at('usr/file', 'missing'), [directory()]);
    expect(() => check({}, '', 'bin/below')).toThrow('a directory over /bin');
  });

  test('directories merge, files replace, new names are free', () => {
    check({ usr: { bin: { sh: null }, lib: {} }, etc: {} });
    check({ bin: null });
    check({ bin: {} }, 'usr');
  });
});
