/** What is read of a payload that was signed. */
import { expect, test } from '@jest/globals';
import type { Digest } from '../../src/oci/resolved-image.js';
import { encodeClaims, parseClaims } from '../../src/verify/simple-signing.js';

test('annotations may be named and say what looks like a part of JSON', () => {
  const annotations = { '1': 'v', ':k': ':z', 'a"': '":', b: '\\": ' };
  const payload = encodeClaims('a.example/b', `sha256:${'0'.repeat(64)}` as Digest, annotations);
  expect(parseClaims(payload)).toMatchObject({ optional: annotations });
});
