/** When an image was created, as its config says it. */
import { expect, test } from '@jest/globals';
import type { ConfigContent } from '../../src/oci/config-blob.js';
import { configBytes } from '../../src/oci/config-blob.js';

test.each([
  [0, '1970-01-01T00:00:00Z'],
  [-1e10, '1970-01-01T00:00:00Z'],
  [1_700_000_000.75, '2023-11-14T22:13:20Z'],
  [253_402_300_799.5, '9999-12-31T23:59:59Z'],
  // Other tools read no year of five digits, and a Date has none of six.
  [300_000_000_000, '9999-12-31T23:59:59Z'],
  [9e12, '9999-12-31T23:59:59Z'],
])('a file of %d seconds', (newest, created) => {
  const image = { platform: 'linux/amd64', config: {}, history: [] } as unknown as ConfigContent;
  const layers = [{ diffId: `sha256:${'0'.repeat(64)}`, newest }];
  expect(JSON.parse(configBytes(image, layers, undefined).toString())).toMatchObject({ created });
});
