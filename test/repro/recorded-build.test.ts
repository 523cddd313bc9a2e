/** A build as a provenance says it was: what it comes to, and what can't be repeated. */
import { describe, expect, test } from '@jest/globals';
import { recordedBuild } from '../../src/repro/recorded-build.js';

const SHA1 = '1'.repeat(40);
const SHA256 = '2'.repeat(64);

interface Given {
  readonly buildType?: unknown;
  readonly args?: Record<string, unknown>;
  readonly configSource?: unknown;
  readonly dependencies?: unknown;
  readonly metadata?: unknown;
  readonly internal?: unknown;
}

function predicate(given: Given = {}): unknown {
  const { buildType = 'urn:wiac:build:1', args = {}, dependencies = [], internal = {} } = given;
  const { configSource = { path: 'Dockerfile' } } = given;
  const infos = [{ data: Buffer.from('FROM scratch\n').toString('base64') }];
  const { metadata = { buildkit_metadata: { source: { infos } } } } = given;
  return {
    buildDefinition: {
      buildType,
      externalParameters: {
        configSource,
        request: { args: { platform: 'linux/arm64', ...args } },
      },
      internalParameters: internal,
      resolvedDependencies: dependencies,
    },
    runDetails: { metadata },
  };
}

const read = (given?: Given) => recordedBuild(predicate(given), 'it');

test('Dockerfile, arguments, platform', () => {
  const args = {
    target: 'app',
    'build-arg:A': '1',
    'build-arg:A:B': '2',
    'label:x': 'y',
    'context:lib': 'docker-image://debian',
  };
  expect(read({ args, internal: { sourceDateEpoch: 5 } })).toMatchObject({
    dockerfile: { name: 'Dockerfile', text: 'FROM scratch\n' },
    platform: 'linux/arm64',
    target: 'app',
    buildArgs: { A: '1', 'A:B': '2' },
    labels: { x: 'y' },
    contexts: { lib: 'docker-image://debian' },
    localContexts: [],
    context: undefined,
    epoch: 5,
    times: undefined,
  });
});

test.each([
  [
    'pkg:docker/debian@12?platform=linux%2Farm64%2Fv8',
    { sha256: SHA256 },
    {
      kind: 'image',
      name: 'docker.io/library/debian:12',
      platform: 'linux/arm64/v8',
      digest: `sha256:${SHA256}`,
    },
  ],
  [
    'pkg:docker/localhost:5000/a/b@1',
    { sha256: SHA256 },
    { kind: 'image', name: 'localhost:5000/a/b:1', platform: 'linux/arm64' },
  ],
  [
    `pkg:docker/debian@sha256%3A${SHA256}`,
    { sha256: SHA256 },
    { kind: 'image', name: `docker.io/library/debian@sha256:${SHA256}` },
  ],
  [
    `pkg:docker/debian@12?digest=sha256:${'3'.repeat(64)}&platform=linux%2Farm64`,
    { sha256: SHA256 },
    {
      kind: 'image',
      name: `docker.io/library/debian:12@sha256:${'3'.repeat(64)}`,
      digest: `sha256:${SHA256}`,
      index: `sha256:${'3'.repeat(64)}`,
    },
  ],
  [
    'https://h/a.tar',
    { sha256: SHA256 },
    { kind: 'http', name: 'https://h/a.tar', checksum: `sha256:${SHA256}` },
  ],
  [
    'https://h/a.git#main',
    { sha1: SHA1 },
    { kind: 'git', name: 'https://h/a.git', ref: 'main', commit: SHA1 },
  ],
  ['https://h/a.git', { sha256: SHA256 }, { kind: 'git', name: 'https://h/a.git', commit: SHA256 }],
])('the input %s', (uri, digest, source) => {
  expect(read({ dependencies: [{ uri, digest }] }).sources).toMatchObject([source]);
});

const GIT = { uri: 'https://h/a.git#main', digest: { sha1: SHA1 } };
const WEB = { uri: 'https://h/a.tar', digest: { sha256: SHA256 } };

test.each([
  ['https://h/a.git#main', { address: `https://h/a.git#${SHA1}`, content: SHA1 }],
  ['https://h/a.git#main:docs/x', { address: `https://h/a.git#${SHA1}:docs/x`, content: SHA1 }],
  ['https://h/a.tar', { address: 'https://h/a.tar', content: `sha256:${SHA256}` }],
])('the context %s is that of its digest', (uri, context) => {
  const given = { configSource: { uri, path: 'Dockerfile' }, dependencies: [GIT, WEB] };
  expect(read(given).context).toEqual(context);
});

test.each(['/root/.ssh', '.', '-', '../x', 'file:///etc', 'https://h/other', 'https://h/a.git'])(
  'the context %s is refused: it is of this machine, or has no digest',
  (uri) => {
    const given = { configSource: { uri, path: 'Dockerfile' }, dependencies: [GIT, WEB] };
    expect(() => read(given)).toThrow(/has the build context .* which is no address|has no digest/);
  },
);

test('named contexts of the machine that built are not looked for on this one', () => {
  const args = {
    'context:a': '/root/.ssh',
    'context:b': 'lib',
    'context:c': '-',
    'context:d': 'https://h/a.tar',
    'context:e': 'github.com/o/r#v1',
    'context:f': 'target:x',
    'context:g': 'file:///etc',
  };
  expect(read({ args })).toMatchObject({
    contexts: { d: 'https://h/a.tar', e: 'https://github.com/o/r#v1', f: 'target:x' },
    localContexts: ['a', 'b', 'c', 'g'],
  });
});

describe('what can not be repeated', () => {
  test.each<[message: string, given: Given]>([
    ['is not one of wiac', { buildType: 'https://mobyproject.org/buildkit@v1' }],
    ['is not one of wiac', { buildType: 7 }],
    ['does not have the Dockerfile', { metadata: {} }],
    ['does not have the Dockerfile', { metadata: [] }],
    ['https://h/a has no digest', { dependencies: [{ uri: 'https://h/a', digest: {} }] }],
    [
      'https://h/a has no digest',
      { dependencies: [{ uri: 'https://h/a', digest: { sha256: '../x' } }] },
    ],
    [
      'is not an image reference',
      { dependencies: [{ uri: 'pkg:docker/a@%zz', digest: { sha256: SHA256 } }] },
    ],
    ['an input has no digest', { dependencies: [null] }],
  ])('%s', (message, given) => {
    expect(() => read(given)).toThrow(message);
  });

  test.each([[undefined], [null], [[]], ['text'], [{ buildDefinition: 1 }]])('%p', (value) => {
    expect(() => recordedBuild(value, 'it')).toThrow('it is not one of wiac');
  });
});
