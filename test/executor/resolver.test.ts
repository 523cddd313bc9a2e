import { expect, test } from '@jest/globals';
import { resolvConf } from '../../src/executor/local/resolver.js';

const MACHINE =
  'nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch a.org b.org\noptions ndots:2\n# nameserver no\n';
const NOTHING = { servers: [], search: [], options: [] };

test.each([
  [
    'the file of this machine',
    MACHINE,
    NOTHING,
    'search a.org b.org\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:2\n',
  ],
  [
    'each option replaces its lines, and no others',
    MACHINE,
    { ...NOTHING, servers: ['1.1.1.1'] },
    'search a.org b.org\nnameserver 1.1.1.1\noptions ndots:2\n',
  ],
  [
    'a dot is no domain at all',
    MACHINE,
    { ...NOTHING, search: ['.'] },
    'nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:2\n',
  ],
  ['domain is the old word for search', 'domain x.org\n', NOTHING, 'search x.org\n'],
  ['nothing at all', '', NOTHING, ''],
])('%s', (_, machine, resolver, text) => {
  expect(resolvConf(machine, resolver)).toBe(text);
});
