/** cache-format.md says which version the keys of each kind of step have. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { KEY_VERSIONS } from '../../src/keys/inputs.js';

test('the versions of keys are the ones that the page of the format names', () => {
  const [, told = ''] = /\(now ([^)]*)\)/.exec(readFileSync('cache-format.md', 'utf8')) ?? [];
  const versions = [...told.matchAll(/(\d+) for (\w+)/g)].map(([, version, kind]) => [
    kind,
    Number(version),
  ]);
  expect(Object.fromEntries(versions)).toEqual(KEY_VERSIONS);
});
