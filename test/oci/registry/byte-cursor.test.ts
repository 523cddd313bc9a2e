import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { openCursor } from '../../../src/oci/registry/byte-cursor.js';

const CONTENT = 'abcdefghijklmnopqrstuvwxyz';

function countingCursor() {
  const count = { opens: 0 };
  const cursor = openCursor(() => {
    count.opens += 1;
    const chunks = [CONTENT.slice(0, 7), CONTENT.slice(7, 9), CONTENT.slice(9)];
    return Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  });
  return { cursor, count };
}

async function text(pieces: AsyncIterable<Buffer>): Promise<string> {
  let all = '';
  for await (const piece of pieces) all += piece.toString();
  return all;
}

test('pieces one after the other come from one stream', async () => {
  const { cursor, count } = countingCursor();
  expect(await text(cursor.read(0, 3))).toBe('abc');
  expect(await text(cursor.read(3, 10))).toBe('defghij');
  expect(await text(cursor.read(10, 99))).toBe('klmnopqrstuvwxyz');
  expect(count.opens).toBe(1);
  await cursor.close();
});

test('a piece again, or one that was given up, opens the stream again', async () => {
  const { cursor, count } = countingCursor();
  expect(await text(cursor.read(0, 12))).toBe('abcdefghijkl');
  expect(await text(cursor.read(5, 12))).toBe('fghijkl');
  expect(count.opens).toBe(2);
  for await (const piece of cursor.read(12, 20)) {
    expect(piece.toString()).toBe('mnopqrst');
    break;
  }
  expect(await text(cursor.read(20, 22))).toBe('uv');
  expect(count.opens).toBe(3);
  await cursor.close();
});

test('attempts that overlap do not take bytes from each other', async () => {
  const { cursor } = countingCursor();
  const first = cursor.read(0, 20);
  const start = await first.next();
  expect(start.value?.toString()).toBe('abcdefg');
  expect(await text(cursor.read(0, 20))).toBe(CONTENT.slice(0, 20));
  await first.return(undefined);
  expect(await text(cursor.read(20, 26))).toBe('uvwxyz');
  await cursor.close();
});
