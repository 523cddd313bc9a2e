import { expect, test } from '@jest/globals';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepInputs } from '../../src/keys/inputs.js';
import { publicInputs } from '../../src/shared-cache/entry-list.js';
import { parseList } from '../../src/shared-cache/parse-list.js';

test('inputs leave the machine without values of variables and credentials of URLs', () => {
  const inputs: StepInputs = {
    version: 1,
    kind: 'fetch',
    platform: 'linux/amd64',
    operands: {
      source: { type: 'git', url: 'https://user:word@host/repo.git', ref: 'v1', directory: '/' },
      env: { TOKEN: 'word', PATH: '/bin' },
      content: 'me@example.org',
    },
    text: 'ADD https://user:word@host/repo.git#v1 ssh://git@host/a /x',
    files: [],
    parents: ['key' as DefinitionKey],
  };
  const shown = publicInputs(inputs);
  expect(JSON.stringify(shown)).not.toContain('word');
  expect(shown.text).toBe('ADD https://host/repo.git#v1 ssh://host/a /x');
  expect(shown.operands).toEqual({
    source: { type: 'git', url: 'https://host/repo.git', ref: 'v1', directory: '/' },
    env: { TOKEN: null, PATH: null },
    content: 'me@example.org',
  });
});

test('a list that is nested without end is an error of the cache', () => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  for (const text of [
    `{"version":1,"layers":[],"entries":[],"mounts":[],"more":${deep}}`,
    `{"version":1,"layers":[{"diffId":"sha256:${'0'.repeat(64)}","more":${deep}}],"entries":[]}`,
  ])
    expect(() => parseList(Buffer.from(text), 'x')).toThrow(
      'the list of cache entries of x is nested deeper than 200 levels',
    );
});
