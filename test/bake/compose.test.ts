/** Compose files: the Compose Build Specification, variables, and several files as one. */
import { describe, expect, test } from '@jest/globals';
import { parseDotEnv } from '../../src/bake/dot-env.js';
import { interpolate } from '../../src/bake/interpolate.js';
import type { Given } from './helpers.js';
import { define, fieldsOf, print } from './helpers.js';

const compose = (yaml: string, given: Given = {}) => print({ 'compose.yaml': yaml }, given);
const build = (lines: string, given: Given = {}, more = '') => {
  const indented = lines.replaceAll(/^/gm, '      ');
  return fieldsOf({ 'compose.yaml': `services:\n  app:\n    build:\n${indented}\n${more}` }, given);
};

test.each([
  ['', undefined, {}, 'my-dir'],
  ['name: of_${X:-file}\n', undefined, {}, 'of_file'],
  ['name: of_file\n', 'given', { COMPOSE_PROJECT_NAME: 'other' }, 'given'],
])(
  'the name of the project is in COMPOSE_PROJECT_NAME: %j, %j',
  async (line, name, environment, expected) => {
    const text = `${line}services: { a: { image: "i/\${COMPOSE_PROJECT_NAME?none}", build: . } }`;
    const given = { project: { name, directory: '/src/My-Dir' }, environment };
    const fields = await fieldsOf({ 'compose.yaml': text }, given);
    expect(fields).toMatchObject({ tags: [`i/${expected}`] });
  },
);

test('!reset takes a build away, in another file, in what extends it, and where there is none', async () => {
  const files = {
    'compose.yaml': `
services:
  pulled: { image: a, build: . }
  moved: { build: { context: old, args: { A: 1 } } }
  base: { build: { context: ., target: t, args: { A: 1 } } }
  extended: { extends: base, image: b, build: !reset null }
  alone: { image: !reset null, build: { context: ., target: !reset null } }`,
    'docker-compose.yml': `
services:
  pulled: { build: !reset null }
  moved: { build: !override new }`,
  };
  expect(await print(files)).toEqual({
    group: { default: { targets: ['alone', 'base', 'moved'] } },
    target: {
      moved: { context: 'new', dockerfile: 'Dockerfile' },
      base: { context: '.', dockerfile: 'Dockerfile', target: 't', args: { A: '1' } },
      alone: { context: '.', dockerfile: 'Dockerfile' },
    },
  });
});

test('services are targets, those that are only pulled are not', async () => {
  const yaml = `
services:
  frontend:
    image: example/webapp
    build: ./webapp
  my.backend:
    build:
      context: backend
      dockerfile: ../backend.Dockerfile
  db:
    image: postgres
`;
  expect(await compose(yaml)).toEqual({
    group: { default: { targets: ['frontend', 'my_backend'] } },
    target: {
      frontend: { context: 'webapp', dockerfile: 'Dockerfile', tags: ['example/webapp'] },
      my_backend: { context: 'backend', dockerfile: '../backend.Dockerfile' },
    },
  });
});

describe('build', () => {
  test.each([
    [
      'context: .\nargs:\n  GIT_COMMIT: cdc3b19\n  N: 1',
      { args: { GIT_COMMIT: 'cdc3b19', N: '1' } },
    ],
    [
      'args: [GIT_COMMIT=cdc3b19, FROM_ENV, NOT_THERE]',
      { args: { GIT_COMMIT: 'cdc3b19', FROM_ENV: 'here' } },
    ],
    ['args:\n  FROM_ENV:', { args: { FROM_ENV: 'here' } }],
    [
      'dockerfile_inline: |\n  FROM scratch\n  COPY . /',
      { 'dockerfile-inline': 'FROM scratch\nCOPY . /\n' },
    ],
    ['ssh:\n  - default', { ssh: [{ id: 'default' }] }],
    ['ssh:\n  myproject: ~/.ssh/x', { ssh: [{ id: 'myproject', paths: ['~/.ssh/x'] }] }],
    [
      'cache_from:\n  - alpine:latest\n  - type=local,src=path\ncache_to: [type=inline]',
      {
        'cache-from': [
          { ref: 'alpine:latest', type: 'registry' },
          { src: 'path', type: 'local' },
        ],
        'cache-to': [{ type: 'inline' }],
      },
    ],
    [
      'additional_contexts:\n  - resources=/path\n  - app=docker-image://my-app\n  - base=service:other.one',
      { contexts: { resources: '/path', app: 'docker-image://my-app', base: 'target:other_one' } },
    ],
    [
      'extra_hosts:\n  - "a=162.242.195.82"\n  - "b:::1"',
      { 'extra-hosts': { a: '162.242.195.82', b: '::1' } },
    ],
    ['extra_hosts:\n  a: [10.0.0.1, 10.0.0.2]', { 'extra-hosts': { a: '10.0.0.1,10.0.0.2' } }],
    ['labels:\n  com.example.a: "x"', { labels: { 'com.example.a': 'x' } }],
    ['labels: [com.example.a=x, b]', { labels: { 'com.example.a': 'x', b: '' } }],
    ['no_cache: true\npull: "true"', { 'no-cache': true, pull: true }],
    ['network: none', { network: 'none' }],
    ['shm_size: "2gb"', { 'shm-size': '2gb' }],
    ['shm_size: 10000000', { 'shm-size': '10000000' }],
    ['target: prod', { target: 'prod' }],
    ['tags: [a:1, b:2]', { tags: ['a:1', 'b:2'] }],
    [
      'ulimits:\n  nproc: 65535\n  nofile:\n    soft: 2\n    hard: 4',
      { ulimits: ['nproc=65535:65535', 'nofile=2:4'] },
    ],
    ['platforms: [linux/amd64, linux/arm64]', { platforms: ['linux/amd64', 'linux/arm64'] }],
    ['entitlements: [network.host]', { entitlements: ['network.host'] }],
    [
      'provenance: mode=max\nsbom: true',
      { attest: [{ type: 'sbom' }, { mode: 'max', type: 'provenance' }] },
    ],
    ['privileged: false', {}],
    [
      'x-bake:\n  tags: [x]\n  platforms: linux/amd64 linux/arm64\n  output: [type=cacheonly]\n  no-cache: true',
      {
        tags: ['x'],
        platforms: ['linux/amd64', 'linux/arm64'],
        output: [{ type: 'cacheonly' }],
        'no-cache': true,
      },
    ],
  ])('%s', async (lines, expected) => {
    const other = '  other.one:\n    build: .\n';
    const given = { wanted: ['app'], environment: { FROM_ENV: 'here' } };
    expect(await build(lines, given, other)).toMatchObject(expected);
  });

  test('secrets are files or variables that are declared beside the services', async () => {
    const lines = 'secrets:\n  - cert\n  - source: token\n    target: api';
    const more = 'secrets:\n  cert:\n    file: ./server.cert\n  token:\n    environment: TOKEN\n';
    expect(await build(lines, {}, more)).toMatchObject({
      secret: [
        { id: 'cert', src: './server.cert' },
        { id: 'api', env: 'TOKEN' },
      ],
    });
  });

  test.each([
    ['privileged: true', { code: 'UNSUPPORTED', message: 'privileged builds are not supported' }],
    [
      'contxt: .',
      { code: 'BAKE_FILE', message: 'build has no contxt', location: { line: 4, column: 15 } },
    ],
    ['secrets: [x]', { message: 'there is no secret x' }],
    ['context: []', { message: 'context is no string' }],
    ['no_cache: maybe', { message: 'no_cache is neither true nor false' }],
    ['context: ${A', { code: 'BAKE_FILE', location: { line: 4 } }],
    ['context: ${A:?give it}', { message: 'the variable A is not set: give it' }],
    ['cache_to: ["type=local,x"]', { message: expect.stringContaining("'x' is no NAME=VALUE") }],
    ['a: b: c', { message: expect.stringContaining('that is no YAML') }],
  ])('%s is a mistake', async (lines, expected) => {
    await expect(build(lines)).rejects.toMatchObject(expected);
  });
});

describe('several files, and what services take from others', () => {
  test('later files add to lists and maps, and replace the rest', async () => {
    const files = {
      'compose.yaml': `
services:
  app:
    build: { context: one, args: [A=1, B=1], tags: [a], target: x }`,
      'compose.override.yaml': `
services:
  app:
    build:
      context: two
      args: { B: 2 }
      tags: [a, b]
      target: !reset null`,
    };
    expect(await fieldsOf(files)).toEqual({
      context: 'two',
      dockerfile: 'Dockerfile',
      args: { A: '1', B: '2' },
      tags: ['a', 'b'],
    });
  });

  test('bake files add to services, whatever the order', async () => {
    const files = {
      'docker-bake.hcl': 'target "app" {\n tags = ["mine"]\n}',
      'compose.yaml': 'services: { app: { build: ., image: theirs } }',
    };
    expect(await fieldsOf(files)).toMatchObject({ tags: ['mine'] });
  });

  test('anchors, merged maps, extends', async () => {
    const yaml = `
x-build: &build
  context: shared
  args: { A: "1" }
services:
  base:
    build: { <<: *build, target: base }
  app:
    extends: { service: base }
    build: { target: app }
`;
    expect(await compose(yaml, { wanted: ['app'] })).toMatchObject({
      target: { app: { context: 'shared', args: { A: '1' }, target: 'app' } },
    });
  });

  test.each([
    [
      '1234567890123456789 12345678901234567890 0 -0',
      '1234567890123456789 12345678901234567890 0 0',
    ],
    ['123456789012345678901 -9223372036854775809', '1.2345678901234568e+20 -9.223372036854776e+18'],
    ['12e4567 7e10 1:30 1.2.3 0x _1', '12e4567 7e+10 1:30 1.2.3 0x _1'],
    ['0123456 0123459 022 -010 0o17 0b11 0x1F 1_000 08', '42798 123459 18 -8 15 3 31 1000 8'],
    ['3.10 1.0 .5 +5 1000000.5 0.00001 .inf', '3.1 1 0.5 5 1.0000005e+06 1e-05 +Inf'],
    ['"022" !!str\t022', '022 022'],
  ])(
    'numbers are those of Go, an id keeps its digits, a commit may look like one: %s',
    async (sources, texts) => {
      const lines = sources.split(' ').map((source, at) => `  A${at}: ${source}`);
      const fields = await build(['args:', ...lines].join('\n'));
      const { args } = fields as { readonly args: Record<string, string> };
      expect(Object.values(args).join(' ')).toBe(texts);
    },
  );

  test('an alias that stands for too much is refused', async () => {
    const levels = Array.from({ length: 9 }, (_, at) =>
      at === 0
        ? 'x0: &x0 [a, a]'
        : `x${at}: &x${at} [${Array(9)
            .fill(`*x${at - 1}`)
            .join(', ')}]`,
    );
    await expect(compose(`${levels.join('\n')}\nservices: {}`)).rejects.toMatchObject({
      message: 'the file has too many values',
    });
  });

  test('what is no compose file', async () => {
    await expect(compose('a: b')).rejects.toThrow('it has no services');
  });
});

describe('wiac compose build', () => {
  const project = { name: undefined, directory: '/work/My App' };

  test('images have names, paths begin at the file', async () => {
    const yaml = `
services:
  web:
    build: { context: web, additional_contexts: { src: ../src, img: "docker-image://x" } }
  git:
    image: named
    build: { context: "https://example.org/x.git", tags: [more] }
  debug:
    profiles: [dev]
    build: .
`;
    const isActive = (profiles: readonly string[]) => profiles.length === 0;
    expect(await compose(yaml, { project, isActive })).toEqual({
      group: { default: { targets: ['git', 'web'] } },
      target: {
        web: {
          context: '/work/My App/web',
          contexts: { img: 'docker-image://x', src: '/work/src' },
          dockerfile: 'Dockerfile',
          tags: ['myapp-web'],
        },
        git: {
          context: 'https://example.org/x.git',
          dockerfile: 'Dockerfile',
          tags: ['named', 'more'],
        },
      },
    });
    expect(await compose(`name: other\n${yaml}`, { project, wanted: ['debug'] })).toMatchObject({
      target: { debug: { tags: ['other-debug'] } },
    });
  });
});

describe('variables', () => {
  const lookUp = (name: string) => ({ A: 'a', EMPTY: '' })[name];

  test.each([
    ['$A ${A} $$A', 'a a $A'],
    ['${B}|$B', '|'],
    ['${A:-x} ${B:-x} ${EMPTY:-x} ${EMPTY-x} ${B-x}', 'a x x  x'],
    ['${A:+y} ${B:+y}.${EMPTY:+y}.${EMPTY+y}', 'y ..y'],
    ['${B:-${C:-${A}}}', 'a'],
    ['${A:?no} ${EMPTY?no}', 'a '],
    ['${B:-x:y?z-1}', 'x:y?z-1'],
    // What no name can follow is for a shell.
    ['$(date) $1 $? $! a$ $é $$$(x) ${B:-$(x)}', '$(date) $1 $? $! a$ $é $$(x) $(x)'],
  ])('%s', (text, expected) => {
    expect(interpolate(text, lookUp)).toBe(expected);
  });

  test.each([
    ['${B:?must be there}', 'the variable B is not set: must be there'],
    ['${B?}', 'the variable B is not set'],
    ['${A', '$$ for the sign'],
    ['${1}', '$$ for the sign'],
    ['${A:=x}', '$$ for the sign'],
  ])('%s is a mistake', (text, message) => {
    expect(() => interpolate(text, lookUp)).toThrow(message);
  });

  test('.env: quotes, comments, variables of before', () => {
    const text = [
      '# comment',
      'PLAIN=value # comment',
      'export SPACED = a b  ',
      "SINGLE='$A # not'",
      'DOUBLE="${PLAIN}\\n$A" # comment',
      'LINES="one',
      'two"',
      'HASH=a#b',
      'EMPTY=',
      'COLON: yes',
      '',
    ].join('\r\n');
    expect(Object.fromEntries(parseDotEnv('.env', text, lookUp))).toEqual({
      PLAIN: 'value',
      SPACED: 'a b',
      SINGLE: '$A # not',
      DOUBLE: 'value\na',
      LINES: 'one\ntwo',
      HASH: 'a#b',
      EMPTY: '',
      COLON: 'yes',
    });
    expect(() => parseDotEnv('.env', 'A=1\nnonsense here\n', lookUp)).toThrow(
      expect.objectContaining({ location: expect.objectContaining({ line: 2 }) }),
    );
    expect(() => parseDotEnv('.env', 'A="x', lookUp)).toThrow('a quote is not closed');
  });

  test('the environment counts before .env; what is not set is told', async () => {
    const yaml = 'services: { app: { build: "${A}${B}${C}" } }';
    const given = { environment: { A: 'env' }, dotEnv: 'A=file\nB=file\n' };
    expect(await compose(yaml, given)).toMatchObject({ target: { app: { context: 'envfile' } } });
    expect((await define({ 'c.yml': yaml }, given)).warnings).toEqual([
      'the variable C is not set: it is empty',
    ]);
  });

  test('isolation is told to mean nothing', async () => {
    const yaml = 'services: { app: { build: { context: ., isolation: hyperv } } }';
    expect((await define({ 'c.yml': yaml })).warnings).toEqual([
      expect.stringContaining('isolation changes nothing'),
    ]);
  });
});

test('a long line of spaces in .env is read at once', () => {
  const started = performance.now();
  parseDotEnv('.env', `A=y${' '.repeat(200_000)}x`, () => undefined);
  expect(performance.now() - started).toBeLessThan(1000);
});

test.each(['a\\tb', 'a\\nb', '../x', 'a/b', 'a b', ''])(
  '%j is no name of a service',
  async (name) => {
    const text = `services:\n  "${name}":\n    build: .\n`;
    await expect(define({ 'compose.yaml': text })).rejects.toMatchObject({
      code: 'BAKE_FILE',
      message: expect.stringContaining('that is no name'),
    });
  },
);
