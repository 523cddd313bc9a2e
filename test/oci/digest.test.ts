import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { getDigest, isDigest, verified } from '../../src/oci/blob-digest.js';

test('bytes beyond the expected size are not passed on, however many come', async () => {
  const expected = { digest: getDigest(Buffer.from('abcd')), size: 4 };
  let made = 0;
  const endless = async function* () {
    for (; made < 10_000; made++) yield Buffer.from('ab');
  };
  const input = Readable.from(endless(), { objectMode: false });
  let size = 0;
  const read = async () => {
    for await (const chunk of verified(input, expected, 'x')) size += chunk.length;
  };
  await expect(read()).rejects.toThrow('its size is 6 bytes instead of 4');
  expect(size).toBeLessThanOrEqual(4);
  expect(made).toBeLessThan(10_000);
  expect(input.destroyed).toBe(true);
});

test('sha512 is verified as well', async () => {
  const bytes = Buffer.from('abc');
  const expected = { digest: getDigest(bytes, 'sha512'), size: 3 };
  const chunks: Buffer[] = [];
  for await (const chunk of verified(Readable.from([bytes]), expected, 'x')) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe('abc');
  const other = verified(Readable.from([Buffer.from('abd')]), expected, 'x');
  await expect(other.toArray()).rejects.toThrow('its digest is sha512:');
});

test.each([
  [`sha256:${'0'.repeat(64)}`, true],
  [`sha512:${'f'.repeat(128)}`, true],
  [`sha256:${'0'.repeat(63)}`, false],
  [`sha256:${'G'.repeat(64)}`, false],
  [`md5:${'0'.repeat(32)}`, false],
  [`sha256:${'0'.repeat(64)}/..`, false],
])('%s is a digest: %s', (text, expected) => {
  expect(isDigest(text)).toBe(expected);
});
