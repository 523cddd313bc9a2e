/** Archives made to break out. Each is unpacked beside a file that must stay as it is. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { unpackLayer } from '../../../src/fs/archive/unpack-layer.js';
import type { Member } from './helpers.js';
import { describeTree, getArchive, inPieces, names, run, scratch, unpack } from './helpers.js';

let layer = '';
let outside = '';
let before: string[] = [];

/** Everything around the layer, times included; the layer itself is left out. */
function surroundings(): string[] {
  return describeTree(dirname(layer)).filter((line) => /^outside/.test(line));
}

beforeEach(() => {
  layer = scratch();
  outside = join(dirname(layer), 'outside');
  mkdirSync(join(outside, 'sub'), { recursive: true });
  writeFileSync(join(outside, 'victim'), 'untouched', { mode: 0o600 });
  run('touch', ['-d', '@42', join(outside, 'victim'), join(outside, 'sub'), outside]);
  before = surroundings();
});

afterEach(() => {
  expect(surroundings()).toEqual(before);
  expect(names(dirname(layer))).toEqual(['layer', 'outside']);
});

const attack = async (...members: Member[]) => unpack(await getArchive(members), layer);
const refused = (pattern: RegExp) => ({
  code: 'IMAGE',
  exitCode: 11,
  message: expect.stringMatching(pattern),
});

describe('names', () => {
  test.each([
    '../outside/victim',
    'a/../../outside/victim',
    '/../outside/victim',
    'a/..',
    '..',
    '../outside/.wh.victim',
    '../outside/.wh..wh..opq',
    '.wh...',
    '.wh..',
    '.wh.',
    '.wh.a/b',
    'a/.wh.../b',
  ])('%s is refused', async (name) => {
    await expect(attack({ name, data: 'evil' })).rejects.toMatchObject(
      refused(/leads out|no whiteout/),
    );
  });

  test.each([['path'], ['GNU.sparse.name']])(
    'with .. in the pax record %s is refused',
    async (key) => {
      const attacking = attack({ name: 'fine', data: 'evil', pax: { [key]: '../outside/victim' } });
      await expect(attacking).rejects.toMatchObject(refused(/leads out/));
    },
  );

  test('an absolute name is a name in the layer', async () => {
    const name = join(outside, 'victim');
    await attack({ name, data: 'mine' });
    expect(readFileSync(join(layer, name), 'utf8')).toBe('mine');
  });

  test('with a NUL is refused', async () => {
    const attacking = attack({ name: 'a', pax: { path: 'a\0b' } });
    await expect(attacking).rejects.toMatchObject(refused(/NUL/));
  });

  test('with a NUL byte in the name of an attribute: it would go on as another system call', async () => {
    const victim = join(outside, 'victim');
    const key = `SCHILY.xattr.user.a\0${'00'}\0setxattr\0${victim}\0user.evil`;
    const attacking = attack({ name: 'a', pax: { [key]: 'x' } });
    await expect(attacking).rejects.toMatchObject(refused(/NUL/));
  });

  test('that is too long is refused', async () => {
    const attacking = attack({ name: 'n'.repeat(300), data: 'x' });
    await expect(attacking).rejects.toMatchObject(refused(/ENAMETOOLONG/));
  });

  test('the root itself cannot become a file or a link', async () => {
    for (const type of ['file', 'symlink', 'fifo'] as const) {
      const attacking = attack({ name: './', type, linkname: outside });
      // A file whose name ends with a slash is a directory, as it was before POSIX.
      if (type === 'file') await attacking;
      else await expect(attacking).rejects.toMatchObject(refused(/root/));
    }
    expect(lstatSync(layer).isDirectory()).toBe(true);
  });
});

describe('symlinks on the way', () => {
  const absolute = (): Member => ({ name: 'x', type: 'symlink', linkname: outside });
  const relative: Member = { name: 'x', type: 'symlink', linkname: '../outside' };

  test.each(['absolute', 'relative'])('%s: nothing is written through one', async (kind) => {
    const link = kind === 'absolute' ? absolute() : relative;
    await attack(
      link,
      { name: 'x/victim', data: 'evil' },
      { name: 'x/new', data: 'evil' },
      { name: 'x/sub/', type: 'directory', mode: 0o777 },
      { name: 'x/.wh.victim2' },
      { name: 'x/sub/.wh..wh..opq' },
      { name: 'x/s', type: 'symlink', linkname: 'y' },
      { name: 'x/pipe', type: 'fifo' },
      { name: 'x/null', type: 'character-device', devmajor: 1, devminor: 3 },
    );
    // As a process in the container would see it: / is the layer.
    const at = kind === 'absolute' ? join(layer, outside) : join(layer, 'outside');
    expect(readFileSync(join(at, 'victim'), 'utf8')).toBe('evil');
    expect(names(at)).toEqual(['new', 'null', 'pipe', 's', 'sub', 'victim', 'victim2']);
  });

  test('a chain of them, and one that climbs, stay inside', async () => {
    await attack(
      { name: 'a/b/up', type: 'symlink', linkname: '../../../../../../..' },
      { name: 'chain', type: 'symlink', linkname: 'a/b/up/outside' },
      { name: 'chain/victim', data: 'evil' },
    );
    expect(readFileSync(join(layer, 'outside/victim'), 'utf8')).toBe('evil');
  });

  test('one that is absolute starts at the layer, wherever it is', async () => {
    await attack(
      { name: 'deep/er/x', type: 'symlink', linkname: '/outside' },
      { name: 'deep/er/x/victim', data: 'evil' },
    );
    expect(readFileSync(join(layer, 'outside/victim'), 'utf8')).toBe('evil');
  });

  test('a loop of them is refused', async () => {
    const attacking = attack(
      { name: 'a', type: 'symlink', linkname: 'b' },
      { name: 'b', type: 'symlink', linkname: 'a' },
      { name: 'a/f', data: 'x' },
    );
    await expect(attacking).rejects.toMatchObject(refused(/loop/));
  });

  test('a file over a symlink replaces it', async () => {
    const link: Member = { name: 'x', type: 'symlink', linkname: join(outside, 'victim') };
    await attack(link, { name: 'x', data: 'mine' });
    expect(lstatSync(join(layer, 'x')).isFile()).toBe(true);
  });

  test('a directory over a symlink replaces it, with its mode and owner', async () => {
    const directory: Member = { name: 'x/', type: 'directory', mode: 0o777, uid: 5, gid: 5 };
    await attack(absolute(), directory, { name: 'x/in' });
    expect(lstatSync(join(layer, 'x')).isDirectory()).toBe(true);
  });

  test('a directory that becomes a symlink later: nothing put off for it follows', async () => {
    const pax = { mtime: '7.5', 'SCHILY.xattr.user.evil': '1' };
    await attack(
      { name: 'sub/', type: 'directory', mode: 0o777, uid: 9, pax },
      { name: 'd/', type: 'directory', mode: 0o777, uid: 9, pax },
      { name: 'd/victim', data: 'x', pax },
      { name: 'd/sub/', type: 'directory', mode: 0o777, uid: 9, pax },
      { name: 'd/sub/.wh.x' },
      { name: 'd/pipe', type: 'fifo', mode: 0o777 },
      { name: 'd', type: 'symlink', linkname: outside },
    );
    expect(lstatSync(join(layer, 'd')).isSymbolicLink()).toBe(true);
  });

  test('attributes of a symlink are not those of its target', async () => {
    const pax = { mtime: '7.5', 'SCHILY.xattr.trusted.evil': '1' };
    const linkname = join(outside, 'victim');
    await attack({ name: 'x', type: 'symlink', linkname, mode: 0o777, uid: 9, gid: 9, pax });
    expect(lstatSync(join(layer, 'x')).uid).toBe(9);
  });

  test('a file on the way is refused', async () => {
    const attacking = attack({ name: 'f', data: 'x' }, { name: 'f/g', data: 'x' });
    await expect(attacking).rejects.toMatchObject(refused(/no directory/));
  });
});

describe('hard links', () => {
  const link = (linkname: string): Member => ({ name: 'h', type: 'link', linkname });

  test('out of the layer are refused', async () => {
    for (const target of ['../outside/victim', join(outside, 'victim'), '.', '/', '..', 'none']) {
      await expect(attack(link(target))).rejects.toMatchObject(refused(/hard link|leads out/));
    }
  });

  test('through a symlink are refused', async () => {
    for (const linkname of [outside, '../outside']) {
      const attacking = attack({ name: 'x', type: 'symlink', linkname }, link('x/victim'));
      await expect(attacking).rejects.toMatchObject(refused(/hard link/));
    }
  });

  test('to a symlink are links to the symlink: writing to them does not follow', async () => {
    const linkname = join(outside, 'victim');
    await attack({ name: 'x', type: 'symlink', linkname }, link('x'), { name: 'h', data: 'evil' });
    expect(readFileSync(join(layer, 'h'), 'utf8')).toBe('evil');
    expect(lstatSync(join(layer, 'x')).isSymbolicLink()).toBe(true);
  });

  test('in the place of a directory are links to what they name, not to its namesake beside them', async () => {
    await attack(
      { name: 'b/f', data: 'right' },
      { name: 'a/f', data: 'wrong' },
      { name: 'a/h/', type: 'directory' },
      { name: 'a/h', type: 'link', linkname: 'b/f' },
    );
    expect(readFileSync(join(layer, 'a/h'), 'utf8')).toBe('right');
  });

  test('to a directory, to themselves, or over their own target', async () => {
    const directory: Member = { name: 'd/', type: 'directory' };
    await expect(attack(directory, link('d'))).rejects.toMatchObject(refused(/hard link/));
    await expect(attack({ name: 'h/f', data: 'x' }, link('h/f'))).rejects.toMatchObject(
      refused(/own target/),
    );
    layer = scratch();
    await expect(attack({ name: 'h', data: 'x' }, link('h'))).resolves.toBeDefined();
    mkdirSync(join(dirname(layer), 'outside'));
    before = surroundings();
  });
});

describe('where nobody wants devices', () => {
  test.each(['character-device', 'block-device'] as const)('a %s is left out', async (type) => {
    const archive = await getArchive([{ name: 'sda', type, devmajor: 8, devminor: 0 }]);
    await unpack(archive, layer, { rootless: true, withoutDevices: true });
    expect(names(layer)).toEqual([]);
  });

  test('a fifo is not', async () => {
    const archive = await getArchive([{ name: 'p', type: 'fifo', mode: 0o600 }]);
    await unpack(archive, layer, { rootless: true, withoutDevices: true });
    expect(lstatSync(join(layer, 'p')).isFIFO()).toBe(true);
  });
});

describe('overlayfs', () => {
  test("marks in the archive don't reach other layers", async () => {
    const pax = {
      'SCHILY.xattr.trusted.overlay.redirect': '/etc',
      'SCHILY.xattr.user.overlay.redirect': '/etc',
      'SCHILY.xattr.trusted.overlay.metacopy': '',
      'SCHILY.xattr.user.fine': '1',
    };
    await attack({ name: 'd/', type: 'directory', mode: 0o755, pax });
    const dump = run('getfattr', ['-d', '-m', '-', 'd'], layer);
    expect(dump).toBe('# file: d\nuser.fine="1"\n\n');
  });
});

describe('sizes', () => {
  const limits = { maxBytes: 10 << 20, maxRatio: 200, maxEntries: 1000 };
  const limited = (data: Buffer) => unpack(data, layer, { limits });

  test('a bomb of zeros ends at the limit', async () => {
    const archive = await getArchive([{ name: 'zeros', data: Buffer.alloc(64 << 20) }]);
    const bomb = gzipSync(archive, { level: 9 });
    expect(bomb.length).toBeLessThan(100_000);
    await expect(limited(bomb)).rejects.toMatchObject(refused(/larger than 10485760 bytes/));
    const written = existsSync(join(layer, 'zeros')) ? lstatSync(join(layer, 'zeros')).size : 0;
    expect(written).toBeLessThanOrEqual(limits.maxBytes);
  });

  test('so do zeros behind the end mark, and extended headers', async () => {
    const empty = await getArchive([]);
    const tail = gzipSync(Buffer.concat([empty, Buffer.alloc(32 << 20)]));
    await expect(limited(tail)).rejects.toMatchObject(refused(/larger/));
    const pax = { comment: 'c'.repeat(1 << 20) };
    const many = await getArchive(Array.from({ length: 12 }, () => ({ name: 'f', pax })));
    await expect(limited(many)).rejects.toMatchObject(refused(/larger/));
  });

  test('too many entries', async () => {
    const members = Array.from({ length: 1001 }, (_, index) => ({ name: `f${index}` }));
    await expect(limited(await getArchive(members))).rejects.toMatchObject(refused(/1000 files/));
    await expect(limited(await getArchive(members.slice(1)))).resolves.toMatchObject({
      files: 1000,
    });
  });

  test('a sparse file counts with its holes', async () => {
    const pax = { 'GNU.sparse.size': String(2 ** 40), 'GNU.sparse.map': '' };
    await expect(limited(await getArchive([{ name: 'f', pax }]))).rejects.toMatchObject(
      refused(/larger/),
    );
  });

  test('an extended header of gigabytes is refused before it is read', async () => {
    const archive = await getArchive([{ name: 'f', pax: { comment: 'x' } }]);
    archive.write('77777777777', 124, 'latin1');
    const sum = archive.subarray(0, 512).reduce((total, byte, at) => {
      return total + (at >= 148 && at < 156 ? 0x20 : byte);
    }, 0);
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    await expect(unpack(archive, layer)).rejects.toMatchObject(refused(/extended header/));
  });
});

describe('damaged fields', () => {
  test.each([
    ['sizes', { size: '-1' }],
    ['sizes', { size: '99999999999999999999' }],
    ['owners', { uid: '4294967295' }],
    ['owners', { gid: 'root' }],
    ['times', { mtime: 'now' }],
    ['sparse maps', { 'GNU.sparse.size': '10', 'GNU.sparse.map': '0,5,3,5' }],
    ['sparse maps', { 'GNU.sparse.size': '10', 'GNU.sparse.map': '8,5' }],
    ['sparse maps', { 'GNU.sparse.size': '10', 'GNU.sparse.map': '1' }],
    ['sparse maps', { 'GNU.sparse.major': '2', 'GNU.sparse.realsize': '1' }],
    [
      'sparse maps',
      { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '1' },
    ],
  ])('%s: %j is an ImageError', async (_kind, pax) => {
    const records = pax as Record<string, string>;
    await expect(attack({ name: 'f', data: '12345', pax: records })).rejects.toMatchObject({
      code: 'IMAGE',
    });
  });
});

test("a layer directory below a symlink of the user is the user's choice", async () => {
  const alias = join(outside, 'sub', 'alias');
  const real = scratch();
  symlinkSync(real, alias);
  await unpackLayer(inPieces(await getArchive([{ name: 'f', data: 'x' }])), alias, {
    rootless: false,
  });
  expect(names(real)).toEqual(['f']);
  before = surroundings();
});
