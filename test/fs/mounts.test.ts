/** Files of a cache mount that are read while a step is at work in it. */
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { readMountFile } from '../../src/fs/mounts/read-mount-file.js';
import type { MountEntry } from '../../src/fs/mounts/scan-mount.js';
import { allEntries, scanMount } from '../../src/fs/mounts/scan-mount.js';
import type { Walker } from '../../src/fs/walker.js';
import { openWalker } from '../../src/fs/walker.js';

let root: string;
let walker: Walker;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wiac-mounts-'));
  walker = openWalker(root, 'bytes');
});
afterEach(() => {
  walker.close();
  rmSync(root, { recursive: true });
});

const scanned = async (directory = root) => allEntries(await scanMount(directory));

/** Reads a file whose content is changed by others while the first attempts read it. */
function readWhile(path: string, change: (attempt: number) => void) {
  let attempts = 0;
  let text = '';
  const read = readMountFile(walker, path, () => {
    attempts += 1;
    text = '';
    return (piece) => {
      text += piece.toString();
      change(attempts);
    };
  });
  return { attempts, text, read };
}

test('a file that changes while it is read is read again', () => {
  writeFileSync(join(root, 'f'), 'one');
  const { attempts, text, read } = readWhile('f', (attempt) => {
    if (attempt === 1) writeFileSync(join(root, 'f'), 'two');
  });
  expect({ attempts, text, size: read?.size }).toEqual({ attempts: 2, text: 'two', size: 3 });
});

test('one that is written to all the time is left out', () => {
  writeFileSync(join(root, 'f'), 'x');
  const { attempts, read } = readWhile('f', () => appendFileSync(join(root, 'f'), 'x'));
  expect({ attempts, read }).toEqual({ attempts: 3, read: undefined });
});

test('one that is cut off while it is read is not half of a file', () => {
  writeFileSync(join(root, 'f'), Buffer.alloc(3 << 20, 'a'));
  const { text, read } = readWhile('f', (attempt) => {
    if (attempt === 1) writeFileSync(join(root, 'f'), 'short');
  });
  expect({ text, size: read?.size }).toEqual({ text: 'short', size: 5 });
});

test('no link is followed, also where a directory was', async () => {
  mkdirSync(join(root, 'd'));
  writeFileSync(join(root, 'd/passwd'), 'mine');
  expect((await scanned()).map(({ path }) => path)).toEqual(['d', 'd/passwd']);
  renameSync(join(root, 'd'), join(root, 'e'));
  symlinkSync('/etc', join(root, 'd'));
  symlinkSync('/etc/passwd', join(root, 'p'));
  expect(readWhile('d/passwd', () => {}).read).toBeUndefined();
  expect(readWhile('p', () => {}).read).toBeUndefined();
  expect(readWhile('gone', () => {}).read).toBeUndefined();
});

test('reading is no use: the time of access stays', () => {
  writeFileSync(join(root, 'f'), 'x');
  utimesSync(join(root, 'f'), 1000, 1000);
  readWhile('f', () => {});
  expect(statSync(join(root, 'f')).atimeMs).toBe(1_000_000);
});

test('devices, fifos and sockets are left out; names are bytes', async () => {
  const name = Buffer.from([0x66, 0xff]);
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name]), '');
  writeFileSync(join(root, '.wh.f'), '');
  linkSync(join(root, '.wh.f'), join(root, 'link'));
  await execa('mkfifo', [join(root, 'fifo')]);
  await execa('mknod', [join(root, 'null'), 'c', '1', '3']);
  const found = await scanned();
  expect(found.map(({ path }) => path)).toEqual(['.wh.f', 'f\xff', 'link']);
  const inodes = found.map((entry) => (entry.type === 'file' ? entry.inode : undefined));
  expect([inodes[0] === inodes[2], inodes[0] === undefined, inodes[1]]).toEqual([
    true,
    false,
    undefined,
  ]);
});

test('an entry that is written to gets another fingerprint', async () => {
  writeFileSync(join(root, 'f'), 'x');
  const look = async () =>
    (await scanned()).flatMap((entry) =>
      entry.type === 'file' ? `${entry.ino} ${entry.ctimeMs}` : [],
    );
  const [before] = await look();
  expect(await look()).toEqual([before]);
  const { read } = readWhile('f', () => {});
  expect(`${read?.ino} ${read?.ctimeMs}`).toBe(before);
  renameSync(join(root, 'f'), join(root, 'g'));
  writeFileSync(join(root, 'f'), 'x');
  expect((await look())[0]).not.toBe(before);
});

test('many directories are listed by wiac-sys, which says what Node says', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `d${index}`);
  const make = [
    'for d in "$@"; do mkdir -p $d/below; echo $d > $d/f; ln $d/f $d/again; ln -s f $d/link; mkfifo $d/fifo; done',
    'touch -d @1000000000.123456789 d1/f d2/below; touch -h -d @7.5 d3/link; chmod 2711 d4/below; chown 7:8 d5/below',
    // U+FF21 comes before U+1F600 as bytes, and after it in JavaScript.
    "touch d6/\uFF21 d6/\u{1F600} d7/$(printf 'a\\377b'); mkdir d8/$(printf '\\377'); touch d8/$(printf '\\377')/x",
  ].join('\n');
  await execa('sh', ['-ec', make, 'sh', ...names], { cwd: root });
  const all = await scanned();
  // One directory at a time is not worth asking wiac-sys.
  const alone = await Promise.all(
    [...names].sort().map(async (name) => {
      const below = await scanned(join(root, name));
      return below.map((entry) => ({ ...entry, path: `${name}/${entry.path}` }));
    }),
  );
  const inside = all.filter(({ path }) => path.includes('/'));
  const byPath = (a: MountEntry, b: MountEntry) => (a.path < b.path ? -1 : 1);
  expect(inside.sort(byPath)).toEqual(alone.flat().sort(byPath));
  expect(inside.length).toBe(40 * 4 + 5);
});
