/** What a step without a network wanted to reach. Pure. */
import { expect, test } from '@jest/globals';
import { wantedHosts } from '../../src/engine/wanted-network.js';

test.each([
  ['curl: (6) Could not resolve host: example.org', ['example.org']],
  [
    'curl: (7) Failed to connect to 192.0.2.1 port 443 after 0 ms: Network is unreachable',
    ['192.0.2.1:443'],
  ],
  ["wget: bad address 'example.org'", ['example.org']],
  ["wget: bad address 'example.org:8080'", ['example.org:8080']],
  ["wget: can't connect to remote host (192.0.2.1): Network is unreachable", ['192.0.2.1']],
  ['wget: unable to resolve host address ‘example.org’', ['example.org']],
  [
    'Connecting to example.org (example.org)|192.0.2.1|:80... failed: Network is unreachable.',
    ['example.org:80'],
  ],
  [
    "W: Failed to fetch http://deb.debian.org/x  Temporary failure resolving 'deb.debian.org'",
    ['deb.debian.org'],
  ],
  [
    '   Could not connect to deb.debian.org:80 (192.0.2.1). - connect (101: Network is unreachable)',
    ['deb.debian.org:80'],
  ],
  [
    'npm error request to https://registry.npmjs.org/x failed, reason: getaddrinfo EAI_AGAIN registry.npmjs.org',
    ['registry.npmjs.org'],
  ],
  ['Error: connect ENETUNREACH 192.0.2.1:443 - Local (0.0.0.0:0)', ['192.0.2.1:443']],
  ["HTTPSConnectionPool(host='pypi.org', port=443): Max retries exceeded", ['pypi.org:443']],
  [
    "fatal: unable to access 'https://github.com/x/': Could not resolve host: github.com",
    ['github.com'],
  ],
  [
    'go: dial tcp: lookup proxy.golang.org on 192.0.2.53:53: connect: network is unreachable',
    ['proxy.golang.org'],
  ],
  ['dial tcp [2001:db8::1]:443: connect: network is unreachable', ['[2001:db8::1]:443']],
  ['ssh: connect to host 192.0.2.1 port 22: Network is unreachable', ['192.0.2.1:22']],
  ['Caused by: java.net.UnknownHostException: repo.maven.apache.org', ['repo.maven.apache.org']],
  ['socket.gaierror: [Errno -3] Temporary failure in name resolution', []],
  ['sh: make: not found', undefined],
  ['cc: error: no input files', undefined],
])('%s', (line, hosts) => {
  expect(wantedHosts(['before', line, 'after'])).toEqual(hosts);
});

test('each once, with the port that is seen', () => {
  const lines = [
    'Could not resolve host: a.example',
    'a.example',
    'Failed to connect to a.example port 80',
    'Could not resolve host: b.example',
  ];
  expect(wantedHosts(lines)).toEqual(['a.example:80', 'b.example']);
});
