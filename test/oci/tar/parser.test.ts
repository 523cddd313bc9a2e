/** Archives in pieces of any size, and archives that end too soon. */
import { expect, test } from '@jest/globals';
import { paxBlocks, putHeader } from '../../../src/oci/tar/encode.js';
import type { TarEntry } from '../../../src/oci/tar/entry.js';
import { BLOCK, padding } from '../../../src/oci/tar/entry.js';
import { createTarParser } from '../../../src/oci/tar/parser.js';

function member(name: string, data: string, change: Partial<TarEntry> = {}): Buffer {
  const entry: TarEntry = {
    ...{ name, type: 'file', mode: 0o644, uid: 0, gid: 0, size: data.length },
    ...{ mtime: { seconds: 1, nanoseconds: 0 }, linkName: '', major: 0, minor: 0 },
    ...{ xattrs: [], sparse: undefined, ...change },
  };
  const header = Buffer.alloc(BLOCK);
  putHeader(header, 0, entry);
  const body = Buffer.from(data.padEnd(data.length + padding(data.length), '\0'));
  return Buffer.concat([paxBlocks(entry) ?? Buffer.alloc(0), header, body]);
}

const LONG = `${'d'.repeat(120)}/${'f'.repeat(120)}`;
const MEMBERS = [
  member('empty', ''),
  member('one', 'x'.repeat(700)),
  member(LONG, 'y', { xattrs: [['user.a', 'b']] }),
  member('last', ''),
];
const END_MARK = Buffer.alloc(2 * BLOCK);

/** What a parser says of an archive, in order. */
function parse(archive: Buffer, pieceSize: number): string[] {
  const said: string[] = [];
  const parser = createTarParser(({ name, xattrs }) => {
    let text = '';
    return {
      write: (piece) => {
        text += piece.toString();
      },
      end: () => said.push(`${name} ${text} ${xattrs.join()}`),
    };
  });
  for (let at = 0; at < archive.length; at += pieceSize)
    parser.write(Buffer.from(archive.subarray(at, at + pieceSize)));
  parser.end();
  return said;
}

const ALL = ['empty  ', `one ${'x'.repeat(700)} `, `${LONG} y user.a,b`, 'last  '];

test.each([1, 7, 511, 512, 513, 1000, 1 << 20])('pieces of %i bytes', (size) => {
  const archive = Buffer.concat([...MEMBERS, END_MARK, Buffer.from('what follows means nothing')]);
  expect(parse(archive, size)).toEqual(ALL);
});

test('the end mark may be short, or missing', () => {
  for (const blocks of [0, 1, 2])
    expect(parse(Buffer.concat([...MEMBERS, END_MARK.subarray(0, blocks * BLOCK)]), 512)).toEqual(
      ALL,
    );
});

/** As umoci insert leaves them. */
test('what fills the last block may be missing, as a whole', () => {
  const archive = Buffer.concat([...MEMBERS, member('short', 'z')]);
  const withoutFilling = archive.subarray(0, archive.length - padding(1));
  for (const size of [1, BLOCK, 1 << 20])
    expect(parse(withoutFilling, size)).toEqual([...ALL, 'short z ']);
});

test('an archive that is cut anywhere but behind the data of a member is refused', () => {
  const archive = Buffer.concat(MEMBERS);
  const ends = MEMBERS.map((_, at) => Buffer.concat(MEMBERS.slice(0, at + 1)).length);
  const filling = [0, padding(700), padding(1), 0];
  for (let length = 1; length <= archive.length; length++) {
    const read = () => parse(archive.subarray(0, length), 400);
    const at = ends.findIndex((end, of) => [end, end - (filling[of] ?? 0)].includes(length));
    if (at !== -1) expect(read()).toEqual(ALL.slice(0, at + 1));
    else expect(read).toThrow('ends in the middle of an entry');
  }
});

test('nothing follows half an end mark', () => {
  const archive = Buffer.concat([END_MARK.subarray(0, BLOCK), ...MEMBERS]);
  expect(() => parse(archive, 512)).toThrow('goes on behind an end mark');
});

/** A header for all that follows, with so many records. */
function globalHeader(first: number, count: number): Buffer {
  const records = Array.from({ length: count }, (_, at) => `12 ${first + at}=\n`);
  const header = member('pax_global_header', records.join(''));
  header.write('g', 156);
  header.write(`        `, 148);
  const sum = header.subarray(0, BLOCK).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

test('records for all that follows are few: each is looked at for each member', () => {
  const first = 1_000_000;
  expect(parse(Buffer.concat([globalHeader(first, 100), ...MEMBERS]), 512)).toEqual(ALL);
  const refused = /global extended headers in the archive are too large/;
  expect(() => parse(globalHeader(first, 10_000), 512)).toThrow(refused);
  const many = Array.from({ length: 100 }, (_, at) => globalHeader(first + at * 100, 100));
  expect(() => parse(Buffer.concat(many), 512)).toThrow(refused);
  // The same again, as of archives that were put together, are no more than once.
  const same = Array.from({ length: 100 }, () => globalHeader(first, 100));
  expect(parse(Buffer.concat([...same, ...MEMBERS]), 512)).toEqual(ALL);
});
