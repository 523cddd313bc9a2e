/** Bytes as text, and back: nothing is lost, whatever the bytes are. */
import { expect, test } from '@jest/globals';
import { fromByteString, fromBytes, toByteString, toBytes } from '../../src/util/byte-string.js';
import { generator } from '../support/random.js';

test('text stays what it is', () => {
  for (const text of ['', 'plain', 'Főtanúsítvány', '\u{1F600}', '\uFFFD']) {
    expect(fromBytes(Buffer.from(text))).toBe(text);
    expect(toBytes(text)).toEqual(Buffer.from(text));
  }
});

test.each([
  ['a byte of another encoding', [0x61, 0xff, 0x62]],
  ['the beginning of a character', [0xe2, 0x82]],
  ['characters that stand for bytes', [...Buffer.from('\u{10FFFF}\u{10FF80}x')]],
  ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
])('%s comes back, and survives where text is kept', (_, numbers) => {
  const bytes = Buffer.from(numbers);
  const text = fromBytes(bytes);
  expect(toBytes(text)).toEqual(bytes);
  expect(Buffer.from(text).toString()).toBe(text);
  expect(toByteString(text)).toBe(bytes.toString('latin1'));
  expect(fromByteString(bytes.toString('latin1'))).toBe(text);
});

const BYTES = [0x41, 0x80, 0x8f, 0xbe, 0xc3, 0xef, 0xf4, 0xff];

test('random bytes come back, and no two are the same text', () => {
  const random = generator(7);
  const seen = new Map<string, string>();
  for (let round = 0; round < 5000; round += 1) {
    const length = Math.floor(random() * 6);
    const bytes = Buffer.from(
      Array.from({ length }, () => BYTES[Math.floor(random() * BYTES.length)] as number),
    );
    const text = fromBytes(bytes);
    expect(toBytes(text)).toEqual(bytes);
    expect(seen.get(text) ?? bytes.toString('hex')).toBe(bytes.toString('hex'));
    seen.set(text, bytes.toString('hex'));
  }
});
