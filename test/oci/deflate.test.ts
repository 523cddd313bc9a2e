/** gzip's bytes: digests of pushed layers are made of them, on every machine. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync, inflateRawSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { gzipMembers } from '../../src/oci/compress/gzip-members.js';
import { deflate } from '../../src/oci/compress/libdeflate/deflate.js';

const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

/** Bytes that are the same at every run: `random` ones, or such with repetitions. */
function bytes(length: number, kind: 'random' | 'text'): Buffer {
  const data = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[at] = kind === 'random' ? state >>> 24 : 97 + ((state >>> 28) & (at >> 8));
  }
  return data;
}

const INPUTS: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  zeros: Buffer.alloc(1 << 20),
  text: bytes(1 << 20, 'text'),
  random: bytes(100_000, 'random'),
};

test('the library is the one that build.sh makes', () => {
  const folder = 'src/oci/compress/libdeflate';
  const [, made] = /echo "(\w{64}) {2}libdeflate\.wasm"/.exec(
    readFileSync(`${folder}/build.sh`, 'utf8'),
  ) as RegExpExecArray;
  expect(sha256(readFileSync(`${folder}/libdeflate.wasm`))).toBe(made);
});

test('deflate data of each input, at several levels', () => {
  const made = Object.entries(INPUTS).flatMap(([name, data]) =>
    [1, 3, 6, 9].map((level) => {
      const deflated = deflate(data, level);
      expect(inflateRawSync(deflated).equals(data)).toBe(true);
      return `${name}, level ${level}: ${deflated.length} bytes, ${sha256(deflated)}`;
    }),
  );
  expect(made).toMatchInlineSnapshot(`
[
  "empty, level 1: 5 bytes, f067985d352d2da6dfaef4844a66d06c5371ecbd9530a4d195ac599fef8b3427",
  "empty, level 3: 5 bytes, f067985d352d2da6dfaef4844a66d06c5371ecbd9530a4d195ac599fef8b3427",
  "empty, level 6: 5 bytes, f067985d352d2da6dfaef4844a66d06c5371ecbd9530a4d195ac599fef8b3427",
  "empty, level 9: 5 bytes, f067985d352d2da6dfaef4844a66d06c5371ecbd9530a4d195ac599fef8b3427",
  "zeros, level 1: 1220 bytes, 2653f471093b8006a07f6247ec9e6906b4c06dda33e70c44b2556bb5d8bb6c20",
  "zeros, level 3: 1070 bytes, 1b84ba2136b1a2826f87d80f6ce73018f60012485676781e1f25e361a37d1638",
  "zeros, level 6: 1070 bytes, 1b84ba2136b1a2826f87d80f6ce73018f60012485676781e1f25e361a37d1638",
  "zeros, level 9: 1070 bytes, 1b84ba2136b1a2826f87d80f6ce73018f60012485676781e1f25e361a37d1638",
  "text, level 1: 415453 bytes, 5a94a162423cea77106c7934515c6a5163c35ccab70bcd82e6e9bd7306cfc3f2",
  "text, level 3: 403829 bytes, e8029eb652d9bdfd58ab4864f45bdcbbb09fcea2b23fad1a9e8f2f3d262f825a",
  "text, level 6: 395830 bytes, 5727adaf1096fa54ec86c1b96995188fa0cfca93721a5b95418224e28d0251ee",
  "text, level 9: 389544 bytes, 6601b1cd3dbfa04a02cc05fc50aa7fe18ffb1ce41aebc679783e278aee86d95f",
  "random, level 1: 100010 bytes, 23e2e2d539a2961f27c2b454c1d34e4972f9fcf4c00f4e16019288e551777a7e",
  "random, level 3: 100010 bytes, 23e2e2d539a2961f27c2b454c1d34e4972f9fcf4c00f4e16019288e551777a7e",
  "random, level 6: 100010 bytes, 23e2e2d539a2961f27c2b454c1d34e4972f9fcf4c00f4e16019288e551777a7e",
  "random, level 9: 100010 bytes, 23e2e2d539a2961f27c2b454c1d34e4972f9fcf4c00f4e16019288e551777a7e",
]
`);
});

test('a gzip file of them all', () => {
  const data = Buffer.concat(Object.values(INPUTS));
  const packed = gzipMembers(data, 6);
  expect(gunzipSync(packed).equals(data)).toBe(true);
  expect(sha256(packed)).toMatchInlineSnapshot(
    `"ac82ddb594a878d61666af8fa9d1c0875a6bcd07b73f14737d77d835d290d6c0"`,
  );
});
