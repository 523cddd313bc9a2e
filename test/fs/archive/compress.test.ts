import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from '@jest/globals';
import type { GzipThreads } from '../../../src/fs/archive/gzip-threads.js';
import type { CompressOptions } from '../../../src/fs/archive/pack-blob.js';
import { compress as compressWindows } from '../../../src/fs/archive/pack-blob.js';
import type { WindowMemory } from '../../../src/fs/archive/windows.js';
import { createWindowMemory, getWindows, WINDOW } from '../../../src/fs/archive/windows.js';
import { inPieces, sha256 } from './helpers.js';

const TEXT = Buffer.from(Array.from({ length: 400_000 }, (_, n) => `${n * 7919}\n`).join(''));
const DATA = Buffer.concat([TEXT, randomBytes(1_500_000), Buffer.alloc(1_000_000)]);
const DECODERS = { gzip: ['gzip', '-dc'], zstd: ['zstd', '-dc'], none: ['cat'] } as const;

/** Compresses a stream of bytes. */
function compress(
  source: AsyncIterable<Buffer>,
  kind: keyof typeof DECODERS,
  options: Omit<CompressOptions, 'memory'> = {},
) {
  const memory = createWindowMemory();
  return compressWindows(getWindows(source, memory), kind, { ...options, memory });
}

function decode(kind: keyof typeof DECODERS, blob: Buffer): Buffer {
  const [program, ...flags] = DECODERS[kind];
  return execFileSync(program, flags, { input: blob, maxBuffer: 1 << 28 });
}

describe.each(['gzip', 'zstd', 'none'] as const)('%s', (kind) => {
  test('the tool reads it, and digests and sizes are right', async () => {
    const { chunks, result } = compress(inPieces(DATA), kind);
    const blob = await buffer(chunks);
    expect(decode(kind, blob).equals(DATA)).toBe(true);
    expect(await result).toEqual({
      diffId: sha256(DATA),
      uncompressedSize: DATA.length,
      digest: sha256(blob),
      size: blob.length,
    });
    if (kind !== 'none') expect(blob.length).toBeLessThan(DATA.length * 0.7);
  });

  test('the blob depends on the bytes only, not on how they arrive', async () => {
    const one = await buffer(compress(inPieces(DATA, 1 << 20), kind).chunks);
    const two = await buffer(compress(inPieces(DATA, 77_777), kind).chunks);
    expect(one.equals(two)).toBe(true);
  });

  test('nothing and exactly one member', async () => {
    for (const data of [Buffer.alloc(0), DATA.subarray(0, 1 << 20), DATA.subarray(0, 2 << 20)]) {
      const { chunks, result } = compress(inPieces(data), kind);
      expect(decode(kind, await buffer(chunks)).equals(data)).toBe(true);
      expect((await result).uncompressedSize).toBe(data.length);
    }
  });

  test("the source's error comes out of the stream and of the result", async () => {
    const lost = new Error('disk lost');
    function* source() {
      yield DATA.subarray(0, 3_000_000);
      throw lost;
    }
    const { chunks, result } = compress(Readable.from(source()), kind);
    await expect(buffer(chunks)).rejects.toBe(lost);
    await expect(result).rejects.toBe(lost);
  });
});

test('levels make a difference, and zstd takes those of --ultra', async () => {
  const size = async (kind: 'gzip' | 'zstd', level: number) =>
    (await buffer(compress(inPieces(TEXT.subarray(0, 1 << 20)), kind, { level }).chunks)).length;
  expect(await size('gzip', 9)).toBeLessThan(await size('gzip', 1));
  expect(await size('zstd', 20)).toBeLessThan(await size('zstd', 1));
});

test('data that is compressed already is stored, whatever lies around it', async () => {
  const dense = randomBytes(1 << 20);
  const text = TEXT.subarray(0, 1 << 20);
  const size = async (data: Buffer) =>
    (await buffer(compress(inPieces(data), 'gzip').chunks)).length;
  // 5 bytes for each 64 KiB at most, and the frame of a member.
  expect((await size(dense)) - dense.length).toBeGreaterThan(0);
  expect((await size(dense)) - dense.length).toBeLessThan(1000);
  const both = (await size(Buffer.concat([text, dense, text]))) - dense.length;
  expect(both).toBeLessThan(2.1 * (await size(text)));
  const table = Buffer.from(Array.from({ length: 1 << 20 }, (_, n) => n & 255));
  expect(await size(table)).toBeLessThan(table.length / 20);
});

test('gzip members are independent of each other', async () => {
  const packed = (data: Buffer) => buffer(compress(inPieces(data), 'gzip').chunks);
  const size = 1 << 20;
  const [one, two] = [TEXT.subarray(0, size), TEXT.subarray(size, 2 * size)];
  const both = await packed(TEXT.subarray(0, 2 * size));
  expect(both.equals(Buffer.concat([await packed(one), await packed(two)]))).toBe(true);
});

test('gzip members have no time and no name', async () => {
  const blob = await buffer(compress(inPieces(TEXT), 'gzip').chunks);
  expect(blob.subarray(0, 8)).toEqual(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]));
});

test('zstd gives the same bytes for any number of threads', async () => {
  const blob = await buffer(compress(inPieces(DATA), 'zstd').chunks);
  for (const threads of ['-T1', '-T3']) {
    const other = execFileSync('zstd', ['-q', '-c', '-3', threads], {
      input: DATA,
      maxBuffer: 1 << 28,
    });
    expect(blob.equals(other)).toBe(true);
  }
});

test('a reader that goes away ends the source', async () => {
  let ended = false;
  function* source() {
    try {
      for (;;) yield DATA.subarray(0, 1 << 20);
    } finally {
      ended = true;
    }
  }
  const { chunks } = compress(Readable.from(source()), 'zstd');
  for await (const _chunk of chunks) break;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(ended).toBe(true);
});

/** Memory that tells which parts of it there are. */
function countedMemory() {
  const used = new Set<SharedArrayBuffer>();
  const { take, give } = createWindowMemory();
  const memory: WindowMemory = {
    take() {
      const bytes = take();
      used.add(bytes.buffer);
      return bytes;
    },
    give,
  };
  return { memory, used };
}

test.each(['zstd', 'none'] as const)('%s uses the memory of windows again', async (kind) => {
  const { memory, used } = countedMemory();
  const { chunks } = compressWindows(getWindows(inPieces(DATA), memory), kind, { memory });
  // This reader keeps what it gets, which must not change any more.
  const blob = await buffer(chunks);
  expect(decode(kind, blob).equals(DATA)).toBe(true);
  expect(used.size).toBe(1);
});

test('an archive has the windows of the one before: no collector counts them', async () => {
  const counted = [countedMemory(), countedMemory()];
  for (const { memory } of counted) {
    const source = getWindows(inPieces(DATA), memory);
    await buffer(compressWindows(source, 'none', { memory }).chunks);
  }
  const [first, second] = counted.map(({ used }) => [...used]);
  expect(first).toHaveLength(1);
  expect(second?.[0]).toBe(first?.[0]);
});

test('a thread that is slow does not fill the memory', async () => {
  const { memory, used } = countedMemory();
  const first = new Promise<Buffer>((resume) => setTimeout(resume, 500, Buffer.from('first ')));
  let asked = 0;
  const threads: GzipThreads = {
    prepare: () => {},
    compress: () => (asked++ === 0 ? first : Promise.resolve(Buffer.from('next '))),
    close: () => {},
  };
  const source = inPieces(Buffer.alloc(100 * WINDOW), WINDOW);
  const { chunks } = compressWindows(getWindows(source, memory), 'gzip', { memory, threads });
  expect((await buffer(chunks)).toString()).toBe(`first ${'next '.repeat(99)}`);
  expect(used.size).toBeLessThan(20);
});
