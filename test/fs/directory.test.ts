/** Reading and writing single names of a directory that is held open. */
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execaSync } from 'execa';
import type { Directory } from '../../src/fs/directory.js';
import {
  closeDirectory,
  listKinds,
  listNames,
  lstatEntry,
  openDirectory,
  openRoot,
} from '../../src/fs/directory.js';
import {
  digestEntry,
  lstatBelow,
  openFile,
  readBuffer,
  readBytesBelow,
  readLink,
  readLinkBelow,
  readPieces,
  readTextBelow,
} from '../../src/fs/read.js';
import { removeTree } from '../../src/fs/remove-tree.js';
import {
  createFile,
  createLink,
  ensureEntry,
  linkEntry,
  removeEntry,
  setEntryTime,
} from '../../src/fs/write.js';
import { sha256 } from '../../src/util/canonical-json.js';

let root = '';
let outside = '';
let directory: Directory;

beforeEach(() => {
  const both = mkdtempSync(join(tmpdir(), 'wiac-directory-'));
  root = join(both, 'root');
  outside = join(both, 'outside');
  mkdirSync(root);
  writeFileSync(outside, 'victim');
  directory = openRoot(root);
});

afterEach(() => {
  closeDirectory(directory);
  removeTree(join(root, '..'));
});

/** Everything but a regular file, under the name of what it is. */
function oddities(): string[] {
  mkdirSync(join(root, 'directory'));
  symlinkSync(outside, join(root, 'symlink'));
  execaSync('mkfifo', [join(root, 'fifo')]);
  return ['directory', 'symlink', 'fifo', 'missing'];
}

describe('directories', () => {
  test('names and kinds of what is in one', () => {
    oddities();
    expect(listNames(directory).sort()).toEqual(['directory', 'fifo', 'symlink']);
    const directories = listKinds(directory).filter(({ isDirectory }) => isDirectory);
    expect(directories.map(({ name }) => name)).toEqual(['directory']);
    expect(lstatEntry(directory, 'symlink')?.isSymbolicLink()).toBe(true);
    expect(lstatEntry(directory, 'missing')).toBe(undefined);
  });

  test('a symbolic link to a directory is none', () => {
    symlinkSync('.', join(root, 'link'));
    expect(() => openDirectory(directory, 'link')).toThrow('ENOTDIR');
  });

  test('it stays the same one when its path leads elsewhere', () => {
    renameSync(root, `${root}.moved`);
    mkdirSync(root);
    ensureEntry(directory, 'made');
    expect(existsSync(join(`${root}.moved`, 'made'))).toBe(true);
    expect(existsSync(join(root, 'made'))).toBe(false);
  });
});

describe('reading', () => {
  test('only regular files are opened, and nothing is waited for', () => {
    for (const name of oddities()) {
      expect({ name, file: openFile(directory, name) }).toEqual({ name, file: undefined });
      expect(digestEntry(directory, name, readBuffer())).toBe(undefined);
    }
  });

  test('digest and size', () => {
    writeFileSync(join(root, 'f'), 'content');
    const digest = sha256('content');
    expect(digestEntry(directory, 'f', readBuffer())).toEqual({ digest, size: 7 });
  });

  test('a file that grew or shrank is read to its end', () => {
    writeFileSync(join(root, 'f'), 'x'.repeat(10));
    const file = openFile(directory, 'f');
    if (!file) throw new Error('no file');
    const pieces = () => {
      const seen: [number, number][] = [];
      const read = readPieces(file, Buffer.alloc(4), (piece, position) =>
        seen.push([position, piece.length]),
      );
      return { read, seen };
    };
    expect(pieces()).toEqual({
      read: 10,
      seen: [
        [0, 4],
        [4, 4],
        [8, 2],
      ],
    });
    writeFileSync(join(root, 'f'), 'x'.repeat(12));
    expect(pieces().read).toBe(12);
    truncateSync(join(root, 'f'), 3);
    expect(pieces()).toEqual({ read: 3, seen: [[0, 3]] });
    closeSync(file.fd);
  });

  test('symbolic links are read, not followed', () => {
    oddities();
    expect(readLink(directory, 'symlink')).toBe(outside);
    for (const name of ['directory', 'missing']) expect(readLink(directory, name)).toBe(undefined);
  });

  test('below a root no component may be a link', () => {
    mkdirSync(join(root, 'd'));
    writeFileSync(join(root, 'd/f'), 'text');
    symlinkSync('d', join(root, 'up'));
    symlinkSync('f', join(root, 'd/link'));
    expect(readTextBelow(root, 'd/f')).toBe('text');
    for (const path of ['up/f', 'd/link', 'd', 'd/f/x', 'none/f'])
      expect({ path, text: readTextBelow(root, path) }).toEqual({ path, text: undefined });
    expect(readLinkBelow(root, 'd/link')).toBe('f');
    expect(readLinkBelow(root, 'd/f')).toBe(undefined);
    expect(lstatBelow(root, 'd/none')).toBe(undefined);
    expect(lstatBelow(root, 'd/f/x')).toBe(undefined);
  });

  test('paths that are longer than the kernel takes', () => {
    const names = Array.from({ length: 25 }, () => 'd'.repeat(200));
    let deepest = openRoot(root);
    for (const name of names) {
      ensureEntry(deepest, name);
      const next = openDirectory(deepest, name);
      closeDirectory(deepest);
      deepest = next;
    }
    const fd = createFile(deepest, 'f', 0o644);
    writeSync(fd, 'deep\n');
    closeSync(fd);
    createLink(deepest, 'l', 'x');
    closeDirectory(deepest);
    const path = names.join('/');
    expect(lstatBelow(root, `${path}/f`)?.size).toBe(5);
    expect(readLinkBelow(root, `${path}/l`)).toBe('x');
    expect(readTextBelow(root, `${path}/f`)).toBe('deep\n');
  });

  test('a list of users of gigabytes is refused', () => {
    writeFileSync(join(root, 'passwd'), '');
    truncateSync(join(root, 'passwd'), 2 ** 31);
    expect(() => readBytesBelow(root, 'passwd')).toThrow(
      '/passwd of the image has 2147483648 bytes',
    );
  });
});

describe('writing', () => {
  /** Each writes `name` anew. */
  const writers: [string, (name: string) => void][] = [
    [
      'createFile',
      (name) => {
        const fd = createFile(directory, name, 0o600);
        writeSync(fd, 'new');
        closeSync(fd);
      },
    ],
    ['createLink', (name) => createLink(directory, name, 'new')],
    [
      'linkEntry',
      (name) => {
        writeFileSync(join(root, 'other'), 'new');
        linkEntry(directory, 'other', directory, name);
      },
    ],
  ];

  test.each(writers)('%s replaces a link instead of writing through it', (_, write) => {
    symlinkSync(outside, join(root, 'f'));
    write('f');
    expect(readFileSync(outside, 'utf8')).toBe('victim');
    const made = lstatSync(join(root, 'f'));
    const content = made.isSymbolicLink()
      ? readlinkSync(join(root, 'f'))
      : readFileSync(join(root, 'f'), 'utf8');
    expect(content).toBe('new');
  });

  test.each(writers)('%s leaves another name of the file as it is', (_, write) => {
    linkSync(outside, join(root, 'f'));
    write('f');
    expect(readFileSync(outside, 'utf8')).toBe('victim');
  });

  test.each(writers)('%s removes no directory', (_, write) => {
    mkdirSync(join(root, 'f'));
    expect(() => write('f')).toThrow(/EISDIR|EPERM/);
    expect(statSync(join(root, 'f')).isDirectory()).toBe(true);
  });

  test('a directory is made once; a link to one is none', () => {
    expect(ensureEntry(directory, 'd')).toBe(true);
    expect(ensureEntry(directory, 'd')).toBe(false);
    symlinkSync('d', join(root, 'link'));
    expect(() => ensureEntry(directory, 'link')).toThrow('EEXIST');
  });

  test('what is not there need not be removed', () => {
    removeEntry(directory, 'missing');
    mkdirSync(join(root, 'd'));
    expect(() => removeEntry(directory, 'd')).toThrow(/EISDIR|EPERM/);
  });

  test('the time of a link is its own', () => {
    symlinkSync(outside, join(root, 'link'));
    const before = statSync(outside).mtimeMs;
    setEntryTime(directory, 'link', 5000);
    expect(lstatSync(join(root, 'link')).mtimeMs).toBe(5000);
    expect(statSync(outside).mtimeMs).toBe(before);
  });
});
