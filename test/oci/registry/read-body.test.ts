/** Answers of a server that sends a byte now and then. */
import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import type { RegistryResponse } from '../../../src/oci/registry/exchange.js';
import { readBody } from '../../../src/oci/registry/read-body.js';
import { isPlaceTrouble } from '../../../src/shared-cache/place-trouble.js';

function answer(body: PassThrough): RegistryResponse {
  const url = new URL('http://slow.example/v2/');
  return { status: 200, url, header: () => undefined, body, dump: async () => {} };
}

test('is not waited for for ever', async () => {
  const body = new PassThrough();
  const drip = setInterval(() => body.write('x'), 5);
  const read = readBody(answer(body), 1000, 'manifest of a/b', 50);
  await expect(read).rejects.toMatchObject({
    code: 'IMAGE',
    message: 'manifest of a/b: slow.example did not send all of it within 0.05 s',
    hint: expect.stringContaining('too slow'),
  });
  clearInterval(drip);
  // A list of cache entries that came too late is not written over.
  expect(isPlaceTrouble(await read.catch((error: unknown) => error))).toBe(true);
  expect(body.destroyed).toBe(true);
});

test('what comes in time is read', async () => {
  const body = new PassThrough();
  setTimeout(() => body.end('all'), 5);
  expect(String(await readBody(answer(body), 1000, 'it', 1000))).toBe('all');
});
