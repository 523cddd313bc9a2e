/** Blobs that come a byte at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { paced } from '../../../src/oci/registry/paced.js';
import { isPlaceTrouble } from '../../../src/shared-cache/place-trouble.js';

async function* dripping(count: number, pause: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < count; at++) {
    await sleep(pause);
    yield Buffer.from('x');
  }
}

async function read(bytes: AsyncIterable<Buffer>, pause = 0): Promise<number> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    await sleep(pause);
  }
  return size;
}

test('are given up', async () => {
  const reading = read(paced(dripping(1_000_000, 5), 1000, 'layer', 50));
  const error: unknown = await reading.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'IMAGE',
    message: 'layer: less than 1000 bytes a second come',
  });
  // A list of cache entries that came too slowly is not written over.
  expect(isPlaceTrouble(error)).toBe(true);
});

test('are read to their end where they may be slow, and where they are waited for by nobody', async () => {
  expect(await read(paced(dripping(30, 5), undefined, 'layer', 50))).toBe(30);
  expect(await read(paced(dripping(30, 0), 1, 'layer', 50), 5)).toBe(30);
});
