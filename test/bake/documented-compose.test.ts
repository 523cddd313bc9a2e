/**
 * Every example of the Compose Build Specification and of bake's page about compose files, with names of our
 * own, held against what they say.
 */
import { describe, expect, test } from '@jest/globals';
import type { Given } from './helpers.js';
import { fieldsOf, print } from './helpers.js';

/** The one service `app` with these lines below `build`. */
function build(lines: string, more = ''): string {
  return `services:\n  app:\n${more}    build:\n${lines.replaceAll(/^/gm, '      ')}\n`;
}

const compose = (yaml: string, given: Given = {}) => print({ 'compose.yaml': yaml }, given);
const app = (yaml: string, given: Given = {}) => fieldsOf({ 'compose.yaml': yaml }, given);

describe('the build section', () => {
  const more = `secrets:\n  cert:\n    file: ./server.cert\n  away:\n    external: true\n`;

  test.each<[string, string, object]>([
    [
      'additional_contexts as a list',
      'additional_contexts:\n  - files=/path/to/files\n  - app=docker-image://mine:latest\n  - source=https://example.org/p.git',
      {
        contexts: {
          app: 'docker-image://mine:latest',
          files: '/path/to/files',
          source: 'https://example.org/p.git',
        },
      },
    ],
    [
      'additional_contexts as a map',
      'additional_contexts:\n  files: /path/to/files\n  app: docker-image://mine:latest',
      { contexts: { app: 'docker-image://mine:latest', files: '/path/to/files' } },
    ],
    ['args as a map', 'context: .\nargs:\n  COMMIT: cdc3b19', { args: { COMMIT: 'cdc3b19' } }],
    ['args as a list', 'context: .\nargs:\n  - COMMIT=cdc3b19', { args: { COMMIT: 'cdc3b19' } }],
    ['an argument without a value', 'context: .\nargs:\n  - COMMIT', {}],
    ['context', 'context: ./dir', { context: 'dir' }],
    [
      'cache_from',
      'cache_from:\n  - alpine:latest\n  - type=local,src=path/to/cache\n  - type=gha',
      {
        'cache-from': [
          { ref: 'alpine:latest', type: 'registry' },
          { src: 'path/to/cache', type: 'local' },
          { type: 'gha' },
        ],
      },
    ],
    [
      'cache_to',
      'cache_to:\n  - me/app:cache\n  - type=local,dest=path/to/cache',
      {
        'cache-to': [
          { ref: 'me/app:cache', type: 'registry' },
          { dest: 'path/to/cache', type: 'local' },
        ],
      },
    ],
    ['dockerfile', 'context: .\ndockerfile: app.Dockerfile', { dockerfile: 'app.Dockerfile' }],
    [
      'dockerfile_inline',
      'context: .\ndockerfile_inline: |\n  FROM base\n  RUN some command',
      { 'dockerfile-inline': 'FROM base\nRUN some command\n' },
    ],
    [
      'entitlements',
      'entitlements:\n  - network.host\n  - security.insecure',
      { entitlements: ['network.host', 'security.insecure'] },
    ],
    [
      'extra_hosts',
      'extra_hosts:\n  - "some=162.242.195.82"\n  - "other=50.31.209.229"\n  - "six=::1"',
      { 'extra-hosts': { other: '50.31.209.229', six: '::1', some: '162.242.195.82' } },
    ],
    ['extra_hosts in brackets', 'extra_hosts:\n  - "six=[::1]"', { 'extra-hosts': { six: '::1' } }],
    [
      'extra_hosts with a colon',
      'extra_hosts:\n  - "some:162.242.195.82"\n  - "six:::1"',
      { 'extra-hosts': { six: '::1', some: '162.242.195.82' } },
    ],
    [
      'labels as a map',
      'labels:\n  com.example.what: "Accounting"\n  com.example.empty: ""',
      { labels: { 'com.example.empty': '', 'com.example.what': 'Accounting' } },
    ],
    [
      'labels as a list',
      'labels:\n  - "com.example.what=Accounting"\n  - "com.example.empty"',
      { labels: { 'com.example.empty': '', 'com.example.what': 'Accounting' } },
    ],
    ['network', 'context: .\nnetwork: host', { network: 'host', entitlements: ['network.host'] }],
    ['another network', 'context: .\nnetwork: mine', { network: 'mine' }],
    ['no network', 'context: .\nnetwork: none', { network: 'none' }],
    ['no_cache', 'no_cache: true', { 'no-cache': true }],
    ['no_cache_filter', 'no_cache_filter: one', { 'no-cache-filter': ['one'] }],
    [
      'platforms',
      'context: "."\nplatforms:\n  - "linux/amd64"\n  - "linux/arm64"',
      { platforms: ['linux/amd64', 'linux/arm64'] },
    ],
    ['pull', 'pull: true', { pull: true }],
    [
      'secrets, short',
      'context: .\nsecrets:\n  - cert',
      { secret: [{ id: 'cert', src: './server.cert' }] },
    ],
    [
      'secrets, long',
      'context: .\nsecrets:\n  - source: cert\n    target: server\n    uid: "103"\n    gid: "103"\n    mode: 0440',
      { secret: [{ id: 'server', src: './server.cert' }] },
    ],
    ['ssh', 'context: .\nssh:\n  - default', { ssh: [{ id: 'default' }] }],
    ['ssh in brackets', 'context: .\nssh: ["default"]', { ssh: [{ id: 'default' }] }],
    [
      'ssh with a key at home',
      'context: .\nssh:\n  - mine=~/.ssh/mine.pem',
      { ssh: [{ id: 'mine', paths: ['/home/me/.ssh/mine.pem'] }] },
    ],
    ['shm_size', "context: .\nshm_size: '2gb'", { 'shm-size': '2gb' }],
    ['shm_size in bytes', 'context: .\nshm_size: 10000000', { 'shm-size': '10000000' }],
    [
      'tags',
      'tags:\n  - "mine:tag"\n  - "registry/me/repo:other"',
      { tags: ['mine:tag', 'registry/me/repo:other'] },
    ],
    ['target', 'context: .\ntarget: prod', { target: 'prod' }],
    [
      'ulimits',
      'context: .\nulimits:\n  nproc: 65535\n  nofile:\n    soft: 20000\n    hard: 40000',
      { ulimits: ['nproc=65535:65535', 'nofile=20000:40000'] },
    ],
  ])('%s', async (_of, lines, expected) => {
    expect(await app(`${build(lines)}${more}`, { home: '/home/me' })).toEqual({
      context: '.',
      dockerfile: 'Dockerfile',
      ...expected,
    });
  });

  test.each<[string, string, object]>([
    ['a directory', './dir', { context: 'dir' }],
    ['one at home', '~/custom', { context: '/home/me/custom' }],
    [
      'a repository',
      'https://example.org/me/app.git',
      { context: 'https://example.org/me/app.git' },
    ],
    [
      'a directory of a branch',
      'https://example.org/me/app.git#branch:sub',
      { context: 'https://example.org/me/app.git#branch:sub' },
    ],
  ])('in a word: %s', async (_of, text, expected) => {
    const yaml = `services:\n  app:\n    build: ${text}\n`;
    expect(await app(yaml, { home: '/home/me' })).toMatchObject(expected);
  });

  test('the platform of the service is what is built, where build says nothing', async () => {
    expect(await app(build('context: .', '    platform: linux/arm64\n'))).toMatchObject({
      platforms: ['linux/arm64'],
    });
  });

  test.each([
    [
      'platforms without that of the service',
      build('context: .\nplatforms: [linux/arm64]', '    platform: linux/amd64\n'),
      'the service is for linux/amd64, and its build is not',
    ],
    [
      'two Dockerfiles',
      build('dockerfile: a\ndockerfile_inline: FROM b'),
      'build has both dockerfile and dockerfile_inline',
    ],
    ['privileged', build('context: .\nprivileged: true'), 'privileged builds are not supported'],
    ['a secret that is not declared', build('secrets: [cert]'), 'there is no secret cert'],
    [
      'an external secret',
      `${build('secrets: [{ source: away, target: x }]')}${more}`,
      'the secret away is external',
    ],
  ])('a mistake: %s', async (_of, yaml, message) => {
    await expect(app(yaml)).rejects.toThrow(message);
  });
});

describe('bake’s page', () => {
  test('anchors and x-bake', async () => {
    const yaml = `
services:
  app-dev:
    build: &dev
      dockerfile: app.Dockerfile
      tags:
        - example.org/me/app:latest
      cache_from:
        - example.org/me/app:cache
      cache_to:
        - example.org/me/app:cache
  app-release:
    build:
      <<: *dev
      x-bake:
        platforms:
          - linux/amd64
          - linux/arm64
  store:
    image: example.org/me/store
    build:
      dockerfile: store.Dockerfile
`;
    const cache = [{ ref: 'example.org/me/app:cache', type: 'registry' }];
    const dev = {
      context: '.',
      dockerfile: 'app.Dockerfile',
      tags: ['example.org/me/app:latest'],
      'cache-from': cache,
      'cache-to': cache,
    };
    expect(await compose(yaml)).toEqual({
      group: { default: { targets: ['app-dev', 'app-release', 'store'] } },
      target: {
        'app-dev': dev,
        'app-release': { ...dev, platforms: ['linux/amd64', 'linux/arm64'] },
        store: { context: '.', dockerfile: 'store.Dockerfile', tags: ['example.org/me/store'] },
      },
    });
  });

  test('.env, and the environment before it', async () => {
    const yaml = build('dockerfile: Dockerfile', '    image: me/app:${TAG:-v1.0.0}\n');
    const dotEnv = 'TAG=v1.1.0\n';
    expect(await app(yaml)).toMatchObject({ tags: ['me/app:v1.0.0'] });
    expect(await app(yaml, { dotEnv })).toMatchObject({ tags: ['me/app:v1.1.0'] });
    expect(await app(yaml, { dotEnv, environment: { TAG: 'v2' } })).toMatchObject({
      tags: ['me/app:v2'],
    });
  });

  test('every field of x-bake', async () => {
    const yaml = `
services:
  one:
    image: one:bar
    build:
      context: .
      dockerfile: ./Dockerfile
      args: { A: foo, B: bar }
      x-bake:
        tags: [one:foo, one:alp]
        platforms: [linux/amd64, linux/arm64]
        cache-from: [me/app:cache, "type=local,src=path/to/cache"]
        cache-to: "type=local,dest=path/to/cache"
        no-cache-filter: [first]
        contexts: { more: ../more }
        ssh: [default]
        pull: true
  two:
    image: two:bar
    build:
      dockerfile: ./two.Dockerfile
      x-bake:
        secret:
          - id=mine,src=./secret
          - id=mine2,src=./secret2
        platforms: linux/arm64
        output: type=docker
        no-cache: true
`;
    expect(await compose(yaml)).toEqual({
      group: { default: { targets: ['one', 'two'] } },
      target: {
        one: {
          context: '.',
          contexts: { more: '../more' },
          dockerfile: './Dockerfile',
          args: { A: 'foo', B: 'bar' },
          tags: ['one:foo', 'one:alp'],
          'cache-from': [
            { ref: 'me/app:cache', type: 'registry' },
            { src: 'path/to/cache', type: 'local' },
          ],
          'cache-to': [{ dest: 'path/to/cache', type: 'local' }],
          ssh: [{ id: 'default' }],
          platforms: ['linux/amd64', 'linux/arm64'],
          pull: true,
          'no-cache-filter': ['first'],
        },
        two: {
          context: '.',
          dockerfile: './two.Dockerfile',
          tags: ['two:bar'],
          secret: [
            { id: 'mine', src: './secret' },
            { id: 'mine2', src: './secret2' },
          ],
          platforms: ['linux/arm64'],
          output: [{ type: 'docker' }],
          'no-cache': true,
        },
      },
    });
  });
});
