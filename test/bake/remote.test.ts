/** Definitions of repositories and archives: where the paths in them lead. */
import { expect, test } from '@jest/globals';
import type { RemotePlace } from '../../src/bake/remote-definition.js';
import { isRemoteDefinition, remoteSelection } from '../../src/bake/remote-definition.js';
import { select } from './helpers.js';

const GIT = 'https://example.org/me/app.git';

async function fieldsAt(place: RemotePlace, body: string) {
  const selection = await select(`target "default" {\n${body}\n}`);
  return remoteSelection(selection, place).targets[0]?.fields;
}

test.each<[string, string, string]>([
  [GIT, '', GIT],
  [`${GIT}#v1`, 'context = "."', `${GIT}#v1`],
  [`${GIT}#v1`, 'context = "./sub/dir"', `${GIT}#v1:sub/dir`],
  [GIT, 'context = "sub"', `${GIT}#:sub`],
  [`${GIT}#v1:deep`, 'context = "sub"', `${GIT}#v1:deep/sub`],
  [`${GIT}#v1:deep`, 'context = "../other"', `${GIT}#v1:other`],
  [`${GIT}?ref=v1&subdir=deep`, 'context = "sub"', `${GIT}?ref=v1#:deep/sub`],
  // As in the image that a repository is: its root.
  [`${GIT}#v1`, 'context = "/etc"', `${GIT}#v1:etc`],
  ['git@example.org:me/app.git', 'context = "sub"', 'git@example.org:me/app.git#:sub'],
  [GIT, 'context = "cwd://"', 'cwd://'],
  [GIT, 'context = "cwd://sub"', 'cwd://sub'],
  [GIT, 'context = "https://example.org/other.git"', 'https://example.org/other.git'],
])('%s: %s', async (address, body, context) => {
  expect(await fieldsAt({ address, kind: 'git' }, body)).toMatchObject({ context });
});

test('named contexts', async () => {
  const body = `contexts = {
    a = "sub", b = "cwd://docs", c = "docker-image://x", d = "target:other"
  }
}
target "other" {`;
  const fields = await fieldsAt({ address: GIT, kind: 'git' }, body);
  // The target that it is made of comes first.
  expect(fields).toMatchObject({ context: GIT });
  const selection = await select(`target "default" {\n${body}\n}`);
  const { targets } = remoteSelection(selection, { address: GIT, kind: 'git' });
  expect(targets.at(-1)?.fields.contexts).toEqual(
    new Map([
      ['a', `${GIT}#:sub`],
      ['b', 'cwd://docs'],
      ['c', 'docker-image://x'],
      ['d', 'target:other'],
    ]),
  );
});

test.each<[RemotePlace, string, string]>([
  [{ address: GIT, kind: 'git' }, 'context = "../x"', 'leads out of the repository'],
  [{ address: `${GIT}#a:b`, kind: 'git' }, 'context = "../../x"', 'leads out of the repository'],
  [{ address: 'https://x/y.tar', kind: 'archive' }, 'context = "x"', 'a directory of an archive'],
])('%j: %s is refused', async (place, body, message) => {
  await expect(fieldsAt(place, body)).rejects.toThrow(message);
});

test.each([
  [GIT, true],
  ['git@example.org:me/app.git', true],
  ['github.com/me/app', true],
  ['file:///work/app.git', true],
  ['app', false],
  ['app-*', false],
  ['my.app', false],
])('is %s an address? %s', (text, is) => {
  expect(isRemoteDefinition(text)).toBe(is);
});
