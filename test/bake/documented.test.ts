/**
 * Every example of buildx's bake pages on attributes, targets and variables, with names of our own. What inherits,
 * repeats, computes or overrides is in documented-inheritance.test.ts.
 */
import { expect, test } from '@jest/globals';
import type { Example } from './examples.js';
import { only, testExamples } from './examples.js';
import { print } from './helpers.js';

/** All kinds of a target's attribute, as the reference has them one after the other. */
const ATTRIBUTES: readonly Example[] = [
  only('args', 'args = { EDITION = "1.2.3+local" }', { args: { EDITION: '1.2.3+local' } }),
  {
    of: 'args: null leaves the ARG of the Dockerfile',
    files: `
      variable "RUST" { default = "1.80" }
      target "site" {
        dockerfile = "site.Dockerfile"
        tags = ["example.org/me/site"]
      }
      target "store" {
        args = { RUST = null }
        dockerfile = "store.Dockerfile"
        tags = ["example.org/me/store"]
      }`,
    given: { wanted: ['site', 'store'] },
    targets: {
      site: { dockerfile: 'site.Dockerfile', tags: ['example.org/me/site'] },
      store: { dockerfile: 'store.Dockerfile', tags: ['example.org/me/store'] },
    },
  },
  only('annotations', 'output = [{ type = "image", name = "one" }]\nannotations = ["a=b"]', {
    output: [{ name: 'one', type: 'image' }],
    annotations: ['a=b'],
  }),
  only(
    'annotations of an index and its manifests',
    'output = [{ type = "image", name = "one" }]\nannotations = ["index,manifest:a.b=me"]',
    { output: [{ name: 'one', type: 'image' }], annotations: ['index,manifest:a.b=me'] },
  ),
  only('attest', 'attest = [{ type = "provenance", mode = "max" }, { type = "sbom" }]', {
    attest: [{ mode: 'max', type: 'provenance' }, { type: 'sbom' }],
  }),
  only('attest as on the command line', 'attest = ["type=provenance,mode=min", "type=sbom"]', {
    attest: [{ mode: 'min', type: 'provenance' }, { type: 'sbom' }],
  }),
  only(
    'cache-from',
    `cache-from = [
      { type = "s3", region = "eu-west-1", bucket = "ours" },
      { type = "registry", ref = "me/repo:cache" },
    ]`,
    {
      'cache-from': [
        { bucket: 'ours', region: 'eu-west-1', type: 's3' },
        { ref: 'me/repo:cache', type: 'registry' },
      ],
    },
  ),
  only(
    'cache-to',
    'cache-to = [{ type = "s3", region = "x", bucket = "y" }, { type = "inline" }]',
    {
      'cache-to': [{ bucket: 'y', region: 'x', type: 's3' }, { type: 'inline' }],
    },
  ),
  only('call', 'call = "check"', { call: 'check' }),
  only('context', 'context = "./src/site"', { context: 'src/site' }),
  only('contexts: an image', 'contexts = { base = "docker-image://debian:12" }', {
    contexts: { base: 'docker-image://debian:12' },
  }),
  only('contexts: a directory', 'contexts = { other = "../path/to/other" }', {
    contexts: { other: '../path/to/other' },
  }),
  only(
    'contexts: repositories and URLs',
    'contexts = { a = "https://example.org/a.git", b = "https://example.org/files" }',
    { contexts: { a: 'https://example.org/a.git', b: 'https://example.org/files' } },
  ),
  {
    of: 'contexts: another target',
    files: `
      target "below" { dockerfile = "below.Dockerfile" }
      target "app" { contexts = { ground = "target:below" } }`,
    given: { wanted: ['app'] },
    groups: { default: ['app'] },
    targets: {
      app: { contexts: { ground: 'target:below' } },
      below: { dockerfile: 'below.Dockerfile', output: [{ type: 'cacheonly' }] },
    },
  },
  {
    of: 'contexts: one that several targets take files of',
    files: `
      group "default" { targets = ["one", "two"] }
      target "files" {
        context = "."
        target = "files"
      }
      target "one" {
        target = "one"
        contexts = { files = "target:files" }
      }
      target "two" {
        target = "two"
        contexts = { files = "target:files" }
      }`,
    groups: { default: ['one', 'two'] },
    targets: {
      files: { target: 'files', output: [{ type: 'cacheonly' }] },
      one: { target: 'one', contexts: { files: 'target:files' } },
      two: { target: 'two', contexts: { files: 'target:files' } },
    },
  },
  only('description', 'description = "what it is"', { description: 'what it is' }),
  only('dockerfile-inline', 'dockerfile-inline = "FROM a\\nENTRYPOINT [\\"b\\", \\"c\\"]"', {
    'dockerfile-inline': 'FROM a\nENTRYPOINT ["b", "c"]',
  }),
  only('dockerfile', 'dockerfile = "./src/site/Dockerfile"', {
    dockerfile: './src/site/Dockerfile',
  }),
  only('dockerfile in a context', 'context = "app"\ndockerfile = "src/Dockerfile"', {
    context: 'app',
    dockerfile: 'src/Dockerfile',
  }),
  only('entitlements', 'entitlements = ["security.insecure", "network.host"]', {
    entitlements: ['security.insecure', 'network.host'],
  }),
  only('extra-hosts', 'extra-hosts = { here = "10.0.0.1" }', {
    'extra-hosts': { here: '10.0.0.1' },
  }),
  only('labels', 'labels = { "org.example.source" = "x", "org.example.none" = null }', {
    labels: { 'org.example.source': 'x' },
  }),
  only('network', 'network = "none"', { network: 'none' }),
  only('no-cache-filter', 'no-cache-filter = ["one"]', { 'no-cache-filter': ['one'] }),
  only('no-cache', 'no-cache = true', { 'no-cache': true }),
  only('no-cache as a number', 'no-cache = 1', { 'no-cache': true }),
  only('output', 'output = [{ type = "cacheonly" }]', { output: [{ type: 'cacheonly' }] }),
  only('output: a directory', 'output = ["./out"]', { output: [{ dest: './out', type: 'local' }] }),
  only('platforms', 'platforms = ["linux/amd64", "linux/arm64", "linux/arm/v7"]', {
    platforms: ['linux/amd64', 'linux/arm64', 'linux/arm/v7'],
  }),
  only('platforms: this machine’s', 'platforms = ["local"]', { platforms: ['local'] }),
  only('pull', 'pull = true', { pull: true }),
  only('pull in a word', 'pull = "always"', { pull: true }),
  {
    of: 'secret',
    files: `
      variable "HOME" { default = null }
      target "default" {
        secret = [
          { type = "env", id = "TOKEN" },
          { type = "file", id = "cloud", src = "\${HOME}/.cloud/credentials" },
        ]
      }`,
    given: { environment: { HOME: '/home/me' } },
    targets: {
      default: { secret: [{ id: 'TOKEN' }, { id: 'cloud', src: '/home/me/.cloud/credentials' }] },
    },
  },
  only('shm-size', 'shm-size = "128m"', { 'shm-size': '128m' }),
  only('ssh', 'ssh = [{ id = "default" }]', { ssh: [{ id: 'default' }] }),
  only('ssh: a key', 'ssh = ["default=/k/id"]', { ssh: [{ id: 'default', paths: ['/k/id'] }] }),
  only('tags', 'tags = ["org/repo:latest", "registry.example.org/team/image:v1"]', {
    tags: ['org/repo:latest', 'registry.example.org/team/image:v1'],
  }),
  only('target', 'target = "programs"', { target: 'programs' }),
  only('ulimits', 'ulimits = ["nofile=1024:1024"]', { ulimits: ['nofile=1024:1024'] }),
];

const TARGETS: readonly Example[] = [
  {
    of: 'a repository as context',
    files: `
      target "site" {
        dockerfile = "site.Dockerfile"
        tags = ["example.org/me/site:latest"]
        context = "https://example.org/me/site"
      }`,
    given: { wanted: ['site'] },
    targets: {
      site: {
        context: 'https://example.org/me/site',
        dockerfile: 'site.Dockerfile',
        tags: ['example.org/me/site:latest'],
      },
    },
  },
  {
    of: 'a group, and a target that is made of the others',
    files: `
      group "all" { targets = ["site", "api", "tests"] }
      target "site" { tags = ["site"] }
      target "api" { tags = ["api"] }
      target "tests" {
        contexts = { site = "target:site", api = "target:api" }
        output = ["type=local,dest=out/tests"]
        context = "."
      }`,
    given: { wanted: ['all'] },
    groups: { default: ['all'], all: ['site', 'api', 'tests'] },
    targets: {
      api: { tags: ['api'] },
      site: { tags: ['site'] },
      tests: {
        contexts: { api: 'target:api', site: 'target:site' },
        output: [{ dest: 'out/tests', type: 'local' }],
      },
    },
  },
  {
    of: 'a group counts before a target of its name',
    files: `
      target "default" { dockerfile-inline = "FROM one" }
      group "default" { targets = ["three", "two"] }
      target "two" { dockerfile-inline = "FROM two" }
      target "three" { dockerfile-inline = "FROM three" }`,
    groups: { default: ['three', 'two'] },
    targets: {
      two: { 'dockerfile-inline': 'FROM two' },
      three: { 'dockerfile-inline': 'FROM three' },
    },
  },
  ...(
    [
      ['foo-*', ['foo-bar', 'foo-baz', 'foo-caz']],
      ['foo-?az', ['foo-baz', 'foo-caz']],
      ['[fb]oo-bar', ['boo-bar', 'foo-bar']],
      ['*', ['boo-bar', 'foo-bar', 'foo-baz', 'foo-caz']],
    ] as const
  ).map(
    ([pattern, names]): Example => ({
      of: `the pattern ${pattern}`,
      files: ['foo-bar', 'foo-baz', 'foo-caz', 'boo-bar']
        .map((name) => `target "${name}" {}`)
        .join('\n'),
      given: { wanted: [pattern] },
      targets: Object.fromEntries(names.map((name) => [name, {}])),
    }),
  ),
  {
    of: 'patterns and a name',
    files: ['foo-a', 'foo-b', 'tests', 'other'].map((name) => `target "${name}" {}`).join('\n'),
    given: { wanted: ['foo*', 'tests'] },
    targets: { 'foo-a': {}, 'foo-b': {}, tests: {} },
  },
  {
    of: 'a pattern and what a matrix makes',
    files: `
      target "mtx" {
        name = "mtx-\${a}-\${b}"
        matrix = { a = ["x", "y"], b = ["d", "e"] }
      }`,
    given: { wanted: ['mtx-x-*'] },
    targets: { 'mtx-x-d': {}, 'mtx-x-e': {} },
  },
];

const VARIABLES: readonly Example[] = [
  {
    of: 'a variable as a value',
    files: 'variable "TAG" { default = "me/app:1" }\ntarget "default" { tags = [ TAG ] }',
    targets: { default: { tags: ['me/app:1'] } },
  },
  {
    of: 'a variable of the environment',
    files: 'variable "TAG" { default = "1" }\ntarget "app" { tags = ["me/app:${TAG}"] }',
    given: { wanted: ['app'], environment: { TAG: '985e9e9' } },
    targets: { app: { tags: ['me/app:985e9e9'] } },
  },
  {
    of: 'a type that the value of the environment becomes first',
    files: `
      variable "PORT" { default = 3000 }
      group "default" { targets = ["back", "front"] }
      target "back" { args = { PORT = PORT } }
      target "front" { args = { PORT = add(PORT, 1) } }`,
    given: { environment: { PORT: '7070' } },
    targets: { back: { args: { PORT: '7070' } }, front: { args: { PORT: '7071' } } },
  },
  {
    of: 'a variable of another file',
    files: {
      'vars.hcl': 'variable "IMAGE" { default = "example.org/base" }',
      'docker-bake.hcl': `
        variable "NEWEST" { default = "\${IMAGE}:latest" }
        target "app" { contexts = { base = NEWEST } }`,
    },
    given: { wanted: ['app'] },
    targets: { app: { contexts: { base: 'example.org/base:latest' } } },
  },
  {
    of: 'attributes of a file of values alone',
    files: {
      'docker-bake.hcl':
        'variable "A" { default = "abc" }\ntarget "app" { args = { v = "pre-${A}" } }',
      'env.hcl': 'WHO="me"\nA="def-${WHO}"',
    },
    given: { wanted: ['app'] },
    targets: { app: { args: { v: 'pre-def-me' } } },
  },
  {
    of: 'the environment counts before them',
    files: {
      'a.hcl': 'variable "A" { default = "a" }\ntarget "default" { args = { v = A } }',
      'b.hcl': 'A = "b"',
    },
    given: { environment: { A: 'c' } },
    targets: { default: { args: { v: 'c' } } },
  },
  {
    of: 'an override file',
    files: {
      'docker-bake.hcl':
        'variable "TAG" { default = "a" }\ntarget "default" { tags = ["me/app:${TAG}"] }',
      'docker-bake.override.hcl': 'variable "TAG" { default = "b" }',
    },
    targets: { default: { tags: ['me/app:b'] } },
  },
  {
    of: '$${ is no variable',
    files: [
      'target "default" {',
      '  dockerfile-inline = <<EOF',
      '  FROM a',
      '  RUN echo "for $${TARGETARCH/amd64/x64}"',
      '  EOF',
      '}',
    ].join('\n'),
    targets: {
      default: {
        'dockerfile-inline': '  FROM a\n  RUN echo "for ${TARGETARCH/amd64/x64}"\n',
      },
    },
  },
  {
    of: 'a variable that is never set is empty',
    files: `
      variable "TAG" {}
      target "default" { tags = ["app:latest", notequal("", TAG) ? "app:\${TAG}" : ""] }`,
    targets: { default: { tags: ['app:latest'] } },
  },
  {
    of: 'one that has a type is null then',
    files: 'variable "TAG" {\n type = string\n}\ntarget "default" { args = { TAG = TAG } }',
    targets: { default: {} },
  },
  {
    of: 'a validation that holds',
    files: `
      variable "PORT" {
        default = 3000
        validation {
          condition = PORT >= 1024
          error_message = "too low"
        }
      }
      target "default" { args = { PORT = PORT } }`,
    targets: { default: { args: { PORT: '3000' } } },
  },
  {
    of: 'the value of a variable that is a text with a $ in it',
    files:
      'variable "HOME" { default = "$HOME" }\ntarget "default" { ssh = ["default=${HOME}/k"] }',
    given: { environment: { HOME: '/home/me' } },
    targets: { default: { ssh: [{ id: 'default', paths: ['/home/me/k'] }] } },
  },
  {
    of: 'the machine’s platform',
    files: 'target "default" { platforms = [BAKE_LOCAL_PLATFORM] }',
    targets: { default: { platforms: ['linux/amd64'] } },
  },
];

testExamples('attributes of a target', ATTRIBUTES);
testExamples('targets and groups', TARGETS);
testExamples('variables', VARIABLES);

const PORT = `
  variable "PORT" {
    default = 3000
    validation {
      condition = PORT >= 1024
      error_message = "'PORT' must be 1024 or more"
    }
  }
  target "default" {}`;
const WORD = `
  variable "WORD" {
    validation {
      condition = WORD != ""
      error_message = "'WORD' is empty"
    }
    validation {
      condition = WORD == regex("[a-zA-Z0-9]+", WORD)
      error_message = "'WORD' has letters and digits alone"
    }
  }
  target "default" {}`;
const NEEDS = `
  variable "A" {}
  variable "B" {
    validation {
      condition = A != ""
      error_message = "'B' needs 'A'"
    }
  }
  target "default" {}`;

test.each([
  ['one condition', PORT, { PORT: '443' }, "'PORT' must be 1024 or more"],
  ['the first of two conditions', WORD, {}, "'WORD' is empty"],
  ['the second of two conditions', WORD, { WORD: 'hello@world' }, "'WORD' has letters and digits"],
  ['what another variable is', NEEDS, { B: 'x' }, "'B' needs 'A'"],
  [
    'a variable that is nowhere',
    'target "default" { dockerfile-inline = "FROM ${BASE}" }',
    {},
    'there is no variable BASE',
  ],
])('a mistake: %s', async (_of, files, environment, message) => {
  await expect(print(files, { environment })).rejects.toMatchObject({
    code: 'BAKE_FILE',
    message: expect.stringContaining(message),
  });
});

test('a pattern that nothing has the name of is a mistake', async () => {
  await expect(print('target "app" {}', { wanted: ['x*'] })).rejects.toMatchObject({
    code: 'USAGE',
    message: 'there is no target x*',
  });
});
