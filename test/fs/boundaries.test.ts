/**
 * Nothing hostile is a path: the folders that touch contexts, checkouts, drafts and layers reach
 * files through src/fs/ alone. What takes a path of this machine in spite of that is listed here,
 * with the reason; whoever adds to the list says why that path can't be led astray.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const SRC = join(process.cwd(), 'src');

/** Folders whose code has to do with names that are not wiac's own. */
const FOLDERS = ['attest', 'context', 'layers', 'tar', 'why'];
/** The files of build/ that make layers; the others have to do with the store's own files. */
const MAKERS = [
  'copy-sources.ts',
  'execute.ts',
  'execute-copy.ts',
  'lookup.ts',
  'scheduler.ts',
  'session.ts',
];

/** Functions that work on a descriptor, and values that are no functions. */
const HARMLESS =
  /^(closeSync|constants|fchmodSync|fchownSync|fstatSync|ftruncateSync|futimesSync|readSync|writeSync)$/;

/** What else may be imported from node:fs, and why. */
const ALLOWED: Readonly<
  Record<string, { readonly names: readonly string[]; readonly why: string }>
> = {
  'context/context.ts': {
    names: ['readFileSync', 'realpathSync', 'statSync'],
    why: 'the root that the user names, and its ignore file',
  },
  'context/tree-xattrs.ts': { names: ['readdirSync'], why: 'of an open directory' },
  'layers/archive.ts': { names: ['createReadStream'], why: 'of an open file' },
  'layers/disk-usage.ts': { names: ['lstatSync'], why: 'of a trusted root' },
  'layers/inline-files.ts': { names: ['writeFileSync'], why: 'to an open file' },
  'layers/layer-digest.ts': { names: ['realpathSync', 'statSync'], why: 'of a trusted root' },
  'tar/attributes.ts': {
    names: ['lchownSync', 'lutimesSync', 'utimesSync'],
    why: 'of paths that entryAt gives, and of open directories',
  },
  'tar/directories.ts': {
    names: ['lstatSync', 'mkdirSync', 'readlinkSync'],
    why: 'of paths that entryAt gives',
  },
  'tar/fill-window.ts': { names: ['openSync'], why: 'of files of layers, which never change' },
  'tar/finish-layer.ts': { names: ['linkSync', 'lstatSync'], why: 'of paths that entryAt gives' },
  'tar/layer-writer.ts': {
    names: ['linkSync', 'lstatSync', 'openSync', 'statSync', 'symlinkSync'],
    why: 'of paths that entryAt gives, and of the trusted root',
  },
  'tar/local-tree.ts': {
    names: ['lstatSync', 'mkdtempSync', 'readdirSync', 'renameSync'],
    why: 'of entries of open directories',
  },
  'tar/pack.ts': { names: ['readlinkSync'], why: 'of files of layers, which never change' },
  'tar/walk-layer.ts': {
    names: ['lstatSync', 'readdirSync'],
    why: 'of files of layers, which never change',
  },
};

/** Values that a file imports from node:fs and node:fs/promises; types are left out. */
function imported(path: string): string[] {
  const text = readFileSync(join(SRC, path), 'utf8');
  const found = text.matchAll(
    /^import (type )?(?:\{([^}]*)\}|[^'{]+) from 'node:fs(\/promises)?';/gms,
  );
  return [...found].flatMap(([, type, names]) => {
    if (type !== undefined) return [];
    if (names === undefined) return ['everything'];
    return names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !name.startsWith('type '));
  });
}

const guarded = [
  ...FOLDERS.flatMap((folder) => readdirSync(join(SRC, folder)).map((name) => `${folder}/${name}`)),
  ...MAKERS.map((name) => `build/${name}`),
].filter((path) => path.endsWith('.ts'));

test.each(guarded)('%s opens no path of its own', (path) => {
  const names = imported(path).filter((name) => !HARMLESS.test(name));
  expect(names.sort()).toEqual([...(ALLOWED[path]?.names ?? [])].sort());
});

test('nothing is listed that is not there', () => {
  expect(Object.keys(ALLOWED).filter((path) => !guarded.includes(path))).toEqual([]);
});
