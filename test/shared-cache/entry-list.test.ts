import { expect, test } from '@jest/globals';
import type { DefinitionKey } from '../../src/keys/digest.js';
import type { StepInputs } from '../../src/keys/inputs.js';
import { publicInputs } from '../../src/shared-cache/entry-list.js';

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
