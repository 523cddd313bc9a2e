import { expect, test } from '@jest/globals';
import { pairLayers } from '../../src/oci/resolve.js';
import type { Descriptor, Digest } from '../../src/oci/resolved-image.js';

const digest = `sha256:${'0'.repeat(64)}` as Digest;

test('a layer that is encrypted is told as that, before it is fetched', () => {
  const layer = (mediaType: string): Descriptor => ({ mediaType, digest, size: 1 });
  const plain = layer('application/vnd.oci.image.layer.v1.tar+gzip');
  const secret = layer('application/vnd.oci.image.layer.v1.tar+gzip+encrypted');
  expect(pairLayers([plain], [digest], 'x')).toEqual([{ descriptor: plain, diffId: digest }]);
  expect(() => pairLayers([plain, secret], [digest, digest], 'x')).toThrow(
    /x has an encrypted layer \(sha256:0+\)/,
  );
});
