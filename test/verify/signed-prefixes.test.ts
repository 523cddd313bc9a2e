/** Which rule of --require-signed is about an image, and who must have signed it. */
import { expect, test } from '@jest/globals';
import { parseRegistryReference } from '../../src/oci/reference.js';
import { requiredKeys, splitSignedPrefix } from '../../src/verify/signed-prefixes.js';

/** A key is only handed on: its name will do. */
const rule = (prefix: string, key = prefix) => ({ prefix, keys: [key as never] });
const keysOf = (reference: string, ...prefixes: string[]) =>
  requiredKeys(
    prefixes.map((prefix) => rule(prefix)),
    parseRegistryReference(reference),
  );

test.each([
  ['a.example/team/app:1', 'a.example/team', true],
  ['a.example/team', 'a.example/team', true],
  ['a.example/teams/app', 'a.example/team', false],
  ['a.example/team/app', 'a.example', true],
  ['a.example/team/app', 'a.example/', true],
  ['a.example:5000/team', 'a.example', false],
  ['a.example:5000/team', 'a.example:5000', true],
  ['b.example/team', 'a.example/team', false],
  ['debian', 'docker.io/library', true],
  ['debian:12', 'docker.io/library/debian', true],
  ['me/app', 'docker.io/library', false],
  ['me/app', 'docker.io', true],
  // Other spellings of the same registry are no way around a rule.
  ['A.Example/team', 'a.example/team', true],
  ['a.example:443/team', 'A.EXAMPLE/team', true],
  ['a.example/team', 'a.example:443/team', true],
  ['index.docker.io/library/debian', 'docker.io/library', true],
  ['registry-1.docker.io/library/debian', 'docker.io/library', true],
  ['registry-1.docker.io/library/debian', 'index.docker.io/library', true],
  ['localhost/x', 'localhost', true],
  ['a.example:0443/team', 'a.example/team', true],
  ['a.example:05000/team', 'a.example:5000/team', true],
  ['127.1:5000/team', '127.0.0.1:5000/team', true],
  ['0x7f.0.0.1:5000/team', '127.0.0.1:5000/team', true],
  ['[0:0::1]:5000/team', '[::1]:5000/team', true],
  ['a.example:99999/team', 'A.example:99999/team', true],
  // The name that people write for an image of Docker Hub.
  ['debian:12', 'docker.io/debian', true],
  ['debian/app', 'docker.io/debian', true],
  ['me/debian', 'docker.io/debian', false],
  ['registry-1.docker.io/debian', 'docker.io/library', true],
])('%s, rule %s: %s', (reference, prefix, isMeant) => {
  expect(keysOf(reference, prefix) !== undefined).toBe(isMeant);
});

test('the longest rule counts, and all that are as long', () => {
  expect(keysOf('a.example/b/c', 'a.example', 'a.example/b')).toEqual(['a.example/b']);
  const rules = [rule('a.example/b', 'one'), rule('a.example', 'no'), rule('a.example/b', 'two')];
  expect(requiredKeys(rules, parseRegistryReference('a.example/b/c'))).toEqual(['one', 'two']);
  expect(keysOf('debian', 'docker.io/library', 'docker.io/debian')).toEqual(['docker.io/debian']);
});

test('a rule is split at its first =', () => {
  expect(splitSignedPrefix('a.example/b=env://K=1')).toEqual({
    prefix: 'a.example/b',
    key: 'env://K=1',
  });
});

test.each(['', 'a.example', '=key', 'a.example=', 'library=k', 'debian=k', 'a.example/B=k'])(
  'what is no rule: %j',
  (text) => expect(() => splitSignedPrefix(text)).toThrow(),
);

test.each(['a.example/b:1=k', 'a.example/b:latest=k', `a.example/b@sha256:${'0'.repeat(64)}=k`])(
  'tags and digests are none: %j',
  (text) => expect(() => splitSignedPrefix(text)).toThrow('no beginning of the names'),
);
