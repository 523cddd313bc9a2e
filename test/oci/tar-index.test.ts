/** Files of an archive are found without reading what lies between them. */
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { paxBlocks, putHeader } from '../../src/oci/tar/encode.js';
import { BLOCK, type TarEntry } from '../../src/oci/tar/entry.js';
import { openTar, type TarIndex } from '../../src/oci/tar-index.js';
import { temporaryDirectory } from './helpers.js';

const root = temporaryDirectory();

function headers(name: string, size: number): Buffer {
  const entry: TarEntry = {
    ...{ name, type: 'file', mode: 0o644, uid: 0, gid: 0, size },
    ...{ mtime: { seconds: 1, nanoseconds: 0 }, linkName: '', major: 0, minor: 0 },
    ...{ xattrs: [], sparse: undefined },
  };
  const header = Buffer.alloc(BLOCK);
  putHeader(header, 0, entry);
  return Buffer.concat([paxBlocks(entry) ?? Buffer.alloc(0), header]);
}

/** Bytes that no test would wait for. */
const HUGE = 2 ** 40;

/** A file of holes, with headers here and there. @param end the length of the file */
function archive(name: string, parts: readonly (readonly [Buffer, number])[], end?: number) {
  const file = join(root, name);
  const fd = openSync(file, 'w');
  let at = 0;
  for (const [header, data] of parts) {
    writeSync(fd, header, 0, header.length, at);
    at += header.length + data;
  }
  ftruncateSync(fd, end ?? at + 2 * BLOCK);
  closeSync(fd);
  return file;
}

async function content(read: TarIndex, name: string, range?: { start: number; end: number }) {
  const file = read.find(name);
  return file && (await text(file.read(range)));
}

test('data is skipped', async () => {
  const name = `${'long/'.repeat(40)}name`;
  const parts = [
    [headers('huge', HUGE), HUGE],
    [headers(name, 3), 0],
    [Buffer.from('abc'.padEnd(BLOCK, '\0')), 0],
    [headers('last', 70_000), 70_144],
    [headers('empty', 0), 0],
  ] as const;
  const read = await openTar(archive('huge.tar', parts));
  expect(read.find('huge')?.size).toBe(HUGE);
  expect(await content(read, `./${name}`)).toBe('abc');
  expect(await content(read, 'last', { start: 69_999, end: 80_000 })).toBe('\0');
  expect(read.find('empty')?.size).toBe(0);
  await read.close();
});

test.each([HUGE, 5000, BLOCK])('an archive that ends after %d bytes is cut off', async (end) => {
  const parts = [[headers('huge', HUGE), HUGE]] as const;
  const open = openTar(archive(`cut-${end}.tar`, parts, end));
  await expect(open).rejects.toThrow('in the middle of an entry');
});

test('a header of 100 MB is refused before it is read', async () => {
  const header = headers('many', 100 << 20);
  header.write('x', 156, 'latin1');
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const open = openTar(archive('pax.tar', [[header, 100 << 20]]));
  await expect(open).rejects.toThrow('an extended header in the archive is too large');
});

test.each(['plain', 'gzip'])(
  'another file that takes the place of one is not read: %s',
  async (kind) => {
    const make = (letter: string) => {
      const file = archive(`${letter}-${kind}.tar`, [
        [headers(letter, 3), 0],
        [Buffer.from(letter.repeat(3).padEnd(BLOCK, '\0')), 0],
      ]);
      if (kind === 'gzip') writeFileSync(file, gzipSync(readFileSync(file)));
      return file;
    };
    const [file, other] = [make('a'), make('b')];
    const read = await openTar(file);
    renameSync(other, file);
    expect(await content(read, 'a')).toBe('aaa');
    await read.close();
  },
);
