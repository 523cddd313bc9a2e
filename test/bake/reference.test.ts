/**
 * What the reference of bake files says, with files of our own: `--print` as docker buildx documents it
 * (docs.docker.com/build/bake/reference and the pages beside it).
 */
import { describe, expect, test } from '@jest/globals';
import { printedSelection } from '../../src/bake/print-targets.js';
import { withPlatforms } from '../../src/bake/resolve-targets.js';
import { fieldsOf, print, select } from './helpers.js';

const USUAL = { context: '.', dockerfile: 'Dockerfile' };
const group = (...targets: string[]) => ({ default: { targets } });

describe('--print', () => {
  test('an empty target has the usual context and Dockerfile', async () => {
    expect(await print('target "default" {}')).toEqual({
      group: group('default'),
      target: { default: USUAL },
    });
  });

  test('a variable in a tag; JSON says the same as HCL', async () => {
    const expected = {
      group: group('webapp'),
      target: { webapp: { ...USUAL, tags: ['docker.io/me/webapp:latest'] } },
    };
    const hcl = `
      variable "TAG" { default = "latest" }
      group "default" { targets = ["webapp"] }
      target "webapp" {
        dockerfile = "Dockerfile"
        tags = ["docker.io/me/webapp:\${TAG}"]
      }`;
    const json = JSON.stringify({
      variable: { TAG: { default: 'latest' } },
      group: { default: { targets: ['webapp'] } },
      target: { webapp: { dockerfile: 'Dockerfile', tags: ['docker.io/me/webapp:${TAG}'] } },
    });
    expect(await print(hcl)).toEqual(expected);
    expect(await print({ 'docker-bake.json': json })).toEqual(expected);
    expect(await print({ '-': json })).toEqual(expected);
    expect(await fieldsOf(hcl, { environment: { TAG: 'dev' } })).toMatchObject({
      tags: ['docker.io/me/webapp:dev'],
    });
  });

  test('inherits: the last one counts, and the order of the members is that of buildx', async () => {
    const file = `
      target "app-dev" {
        args = { GO_VERSION = "1.20", BUILDX_EXPERIMENTAL = 1 }
        tags = ["docker.io/me/app"]
        dockerfile = "app.Dockerfile"
        labels = { "org.opencontainers.image.source" = "https://example.org/app" }
      }
      target "_release" {
        args = { BUILDKIT_CONTEXT_KEEP_GIT_DIR = 1, BUILDX_EXPERIMENTAL = 0 }
      }
      target "app-release" {
        inherits = ["app-dev", "_release"]
        platforms = ["linux/amd64", "linux/arm64"]
      }`;
    const selection = await select(file, { wanted: ['app-release'] });
    expect(JSON.stringify(printedSelection(selection))).toBe(
      '{"group":{"default":{"targets":["app-release"]}},"target":{"app-release":{"context":".",' +
        '"dockerfile":"app.Dockerfile","args":{"BUILDKIT_CONTEXT_KEEP_GIT_DIR":"1",' +
        '"BUILDX_EXPERIMENTAL":"0","GO_VERSION":"1.20"},' +
        '"labels":{"org.opencontainers.image.source":"https://example.org/app"},' +
        '"tags":["docker.io/me/app"],"platforms":["linux/amd64","linux/arm64"]}}}',
    );
  });

  test('a matrix makes a group of its targets', async () => {
    const file = `
      target "app" {
        name = "app-\${tgt}"
        matrix = { tgt = ["foo", "bar"] }
        target = tgt
      }`;
    expect(await print(file, { wanted: ['app'] })).toEqual({
      group: { app: { targets: ['app-foo', 'app-bar'] }, ...group('app') },
      target: { 'app-bar': { ...USUAL, target: 'bar' }, 'app-foo': { ...USUAL, target: 'foo' } },
    });
  });

  test('a matrix of several axes, and of objects', async () => {
    const axes = `
      target "app" {
        name = "app-\${tgt}-\${replace(version, ".", "-")}"
        matrix = { tgt = ["foo", "bar"], version = ["1.0", "2.0"] }
        args = { VERSION = version }
      }`;
    const { target } = (await print(axes, { wanted: ['app'] })) as { target: object };
    expect(Object.keys(target)).toEqual([
      'app-bar-1-0',
      'app-bar-2-0',
      'app-foo-1-0',
      'app-foo-2-0',
    ]);
    const objects = `
      target "app" {
        name = "app-\${item.tgt}-\${sanitize(item.version)}"
        matrix = { item = [{ tgt = "foo", version = "1.0" }, { tgt = "bar", version = "2.0" }] }
        args = { VERSION = item.version }
      }`;
    expect(await print(objects, { wanted: ['app'] })).toMatchObject({
      target: { 'app-foo-1_0': { args: { VERSION: '1.0' } }, 'app-bar-2_0': {} },
    });
  });

  test('groups in groups, and a group before a target of its name', async () => {
    const file = `
      target "default" { dockerfile-inline = "FROM ubuntu" }
      group "default" { targets = ["all", "c"] }
      group "all" {
        description = "both"
        targets = ["a", "b"]
      }
      target "a" {}
      target "b" {}
      target "c" {}`;
    expect(await print(file)).toEqual({
      group: { ...group('all', 'c'), all: { description: 'both', targets: ['a', 'b'] } },
      target: { a: USUAL, b: USUAL, c: USUAL },
    });
    expect(await print(file, { wanted: ['c', 'a'] })).toMatchObject({ group: group('a', 'c') });
  });

  test('every field', async () => {
    const file = `
      target "default" {
        description = "all of it"
        annotations = ["key=value"]
        attest = ["type=provenance,mode=min", { type = "sbom" }]
        context = "./src"
        contexts = { alpine = "docker-image://alpine:3.13", src = "../other" }
        dockerfile = "my.Dockerfile"
        args = { VERSION = "0.0.0+unknown", NONE = null }
        labels = { a = "b", c = null }
        tags = ["org/repo:latest", "", "org/repo:latest"]
        cache-from = ["type=s3,region=eu-west-1,bucket=mine", "user/repo:cache"]
        cache-to = [{ type = "inline" }]
        target = "binaries"
        secret = ["type=env,id=KUBECONFIG", { id = "aws", src = "credentials" }]
        ssh = ["default", "key=a,b", { id = "c", paths = ["d"] }]
        platforms = ["linux/amd64"]
        output = ["type=cacheonly", "out", "-"]
        pull = "always"
        no-cache = 1
        network = "host"
        no-cache-filter = ["foo"]
        shm-size = "128m"
        ulimits = ["nofile=1024:1024"]
        call = "check"
        entitlements = ["security.insecure"]
        extra-hosts = { db = "10.0.0.1" }
      }`;
    expect(await fieldsOf(file)).toEqual({
      description: 'all of it',
      annotations: ['key=value'],
      attest: [{ mode: 'min', type: 'provenance' }, { type: 'sbom' }],
      context: 'src',
      contexts: { alpine: 'docker-image://alpine:3.13', src: '../other' },
      dockerfile: 'my.Dockerfile',
      args: { VERSION: '0.0.0+unknown' },
      labels: { a: 'b' },
      tags: ['org/repo:latest'],
      'cache-from': [
        { bucket: 'mine', region: 'eu-west-1', type: 's3' },
        { ref: 'user/repo:cache', type: 'registry' },
      ],
      'cache-to': [{ type: 'inline' }],
      target: 'binaries',
      secret: [{ id: 'KUBECONFIG' }, { id: 'aws', src: 'credentials' }],
      ssh: [{ id: 'default' }, { id: 'key', paths: ['a', 'b'] }, { id: 'c', paths: ['d'] }],
      platforms: ['linux/amd64'],
      output: [{ type: 'cacheonly' }, { dest: 'out', type: 'local' }, { dest: '-', type: 'tar' }],
      pull: true,
      'no-cache': true,
      network: 'host',
      'no-cache-filter': ['foo'],
      'shm-size': '128m',
      ulimits: ['nofile=1024:1024'],
      call: 'check',
      entitlements: ['security.insecure', 'network.host'],
      'extra-hosts': { db: '10.0.0.1' },
    });
  });

  test('a target that is a context of another comes along, for the cache alone', async () => {
    const file = `
      target "base" {
        dockerfile = "base.Dockerfile"
        tags = ["base"]
        entitlements = ["security.insecure"]
      }
      target "app" { contexts = { baseapp = "target:base" } }`;
    const selection = await select(file, { wanted: ['app'] });
    expect(selection.targets.map(({ name, isLinked }) => [name, isLinked])).toEqual([
      ['base', true],
      ['app', false],
    ]);
    expect(printedSelection(selection)).toMatchObject({
      target: {
        app: { contexts: { baseapp: 'target:base' }, entitlements: ['security.insecure'] },
        base: { dockerfile: 'base.Dockerfile', output: [{ type: 'cacheonly' }] },
      },
    });
    const both = (await print(file, { wanted: ['base', 'app'] })) as { target: { base: object } };
    expect(both.target.base).not.toHaveProperty('output');
  });

  test('platforms of a target that others are made of', async () => {
    const base = (platforms: string) => `
      target "base" { ${platforms} }
      target "a" {
        contexts = { x = "target:base" }
        platforms = ["linux/amd64", "linux/arm64"]
      }
      target "b" { contexts = { x = "target:base" } }`;
    const given = { wanted: ['a', 'b'] };
    const { targets } = await select(base(''), given);
    expect(withPlatforms(targets).map(({ name, fields }) => [name, fields.platforms])).toEqual([
      ['base', ['linux/amd64', 'linux/arm64']],
      ['a', ['linux/amd64', 'linux/arm64']],
      ['b', undefined],
    ]);
    await expect(select(base('platforms = ["linux/amd64", "linux/386"]'), given)).rejects.toThrow(
      'a is for linux/arm64, and base is not',
    );
  });

  test('several files: the later one counts, args are joined', async () => {
    const files = {
      'docker-bake.hcl': `
        variable "V" { default = "1" }
        target "default" {
          args = { a = V, b = "1" }
          tags = ["one"]
          cache-from = ["one"]
        }`,
      'docker-bake.override.hcl': `
        variable "V" { default = "2" }
        target "default" {
          args = { b = "2" }
          tags = ["two"]
          cache-from = ["two"]
        }`,
      'more.json': '{"target": {"default": {"args": {"c": "${V}"}}}}',
    };
    expect(await fieldsOf(files)).toEqual({
      ...USUAL,
      args: { a: '2', b: '2', c: '2' },
      tags: ['two'],
      'cache-from': [
        { ref: 'one', type: 'registry' },
        { ref: 'two', type: 'registry' },
      ],
    });
  });
});

describe('variables and functions', () => {
  const args = async (file: string, environment: Record<string, string> = {}) => {
    const fields = (await fieldsOf(file, { environment })) as { args?: object };
    return fields.args;
  };
  const withArg = (value: string, more = '') =>
    `${more}\ntarget "default" { args = { x = ${value} } }`;

  test.each([
    ['a function of the standard library', withArg('"${add(123, 1)}"'), '124'],
    [
      'one of our own',
      withArg(
        '"${increment(123)}"',
        'function "increment" {\n params = [number]\n result = number + 1\n}',
      ),
      '124',
    ],
    [
      'one with any number of arguments, that calls another',
      withArg(
        'all("a", "b", "c")',
        `function "all" {
          params = [first]
          variadic_params = rest
          result = join("-", concat([up(first)], rest))
        }
        function "up" {
          params = [x]
          result = upper(x)
        }`,
      ),
      'A-b-c',
    ],
    ['a built-in variable', withArg('BAKE_LOCAL_PLATFORM'), 'linux/amd64'],
    [
      'an attribute of the file',
      withArg('"${greeting}!"', 'greeting = "hello ${who}"\nwho = "you"'),
      'hello you!',
    ],
    [
      'an attribute of another target',
      withArg('target.other.args.y', 'target "other" {\n args = { y = "from there" }\n}'),
      'from there',
    ],
    ['a condition', withArg('V == "" ? "none" : V', 'variable "V" { default = "" }'), 'none'],
    ['null in the place of a default', withArg('V', 'variable "V" { default = null }'), undefined],
  ])('%s', async (_title, file, expected) => {
    expect(await args(file)).toEqual(expected === undefined ? undefined : { x: expected });
  });

  test.each([
    ['type = string', 'a', 'V', 'a'],
    ['type = number', '5', 'V + 1', '6'],
    ['default = 1', '5', 'V + 1', '6'],
    ['default = false', 'true', 'V ? "yes" : "no"', 'yes'],
    ['type = list(number)', '1,2', 'V[1]', '2'],
    ['type = list(string)', '["a,b", "c"]', 'V[0]', 'a,b'],
    ['type = map(string)', 'a=1,b=2', 'V.b', '2'],
    ['type = object({a = number})', '{"a": 3}', 'V.a', '3'],
  ])('%s, of the environment %s', async (declared, given, value, expected) => {
    const file = withArg(value, `variable "V" {\n ${declared}\n}`);
    expect(await args(file, { V: given })).toEqual({ x: expected });
  });

  test('V_JSON and V_CSV', async () => {
    const file = withArg('join("+", V)', 'variable "V" {\n type = list(string)\n default = []\n}');
    expect(await args(file, { V_JSON: '["a", "b"]' })).toEqual({ x: 'a+b' });
    expect(await args(file, { V_CSV: 'c,d' })).toEqual({ x: 'c+d' });
  });

  test('a validation', async () => {
    const file = withArg(
      'PORT',
      `variable "PORT" {
        default = 80
        validation {
          condition = PORT > 0 && PORT < 65536
          error_message = "\${PORT} is no port"
        }
      }`,
    );
    expect(await args(file)).toEqual({ x: '80' });
    await expect(args(file, { PORT: '70000' })).rejects.toMatchObject({
      message: 'PORT: 70000 is no port',
      location: { line: 4 },
    });
  });
});

describe('mistakes', () => {
  test.each([
    ['target "a" {\n  tags = "x"\n}', 'tags is a string, not a list', 2, undefined],
    ['target "a" {\n  args = { x = [] }\n}', 'args.x is a list, not a string', 2, undefined],
    ['target "a" {\n  pull = "maybe"\n}', 'pull is a string, not true or false', 2, undefined],
    ['target "a" {\n  output = ["type=local,x"]\n}', "'x' is no NAME=VALUE", 2, undefined],
    ['target "a" {\n  output = ["dest=x"]\n}', 'output: the type is missing', 2, 'write type=...'],
    [
      'target "a" {\n  secret = [{ id = "x", nosuch = "y" }]\n}',
      'a secret has no nosuch',
      2,
      undefined,
    ],
    ['target "a" {\n  name = "b"\n}', 'name needs a matrix', 2, undefined],
    ['target "a.b" {}', 'that is no name', 1, undefined],
    ['target {}', 'target has one name', 1, undefined],
    ['target "a" {\n  matrix = { x = "y" }\n}', 'matrix.x is no list', 2, undefined],
    ['target "a" {\n  matrix = { x = ["y", "z"] }\n}', 'the matrix makes a twice', 2, undefined],
    ['group "a" {}', 'the group a has no targets', 1, undefined],
    ['group "a" { targets = "b" }', 'targets is a list of names', 1, undefined],
    ['a = b\nb = a\ntarget "x" { args = { a = a } }', 'depends on itself', 1, undefined],
    ['target "x" { args = { a = "${BASE}" } }', 'there is no variable BASE', 1, 'variable "BASE"'],
    [
      'variable "V" {\n  type = number\n  default = "x"\n}',
      'V: its default: a string is no number',
      3,
      undefined,
    ],
    ['function "f" {}', 'a function has a result', 1, undefined],
    [
      'function "f" {\n params = [a]\n result = f(a)\n}\ntarget "x" { args = { a = f(1) } }',
      'without an end',
      3,
      undefined,
    ],
  ])('%s', async (file, message, line, hint) => {
    await expect(select(file)).rejects.toMatchObject({
      code: 'BAKE_FILE',
      message: expect.stringContaining(message),
      location: { file: 'docker-bake.hcl', line },
      ...(hint === undefined ? {} : { hint: expect.stringContaining(hint) }),
    });
  });

  test.each([
    ['target "app" {}', ['ap'], 'there is no target ap', 'did you mean app?'],
    ['target "app" { inherits = ["app"] }', ['app'], 'app inherits app', undefined],
    ['target "app" { contexts = { x = "target:app" } }', ['app'], 'app needs app', undefined],
    [
      'target "app" { contexts = { x = "target:nosuch" } }',
      ['app'],
      'no target nosuch',
      'there are app',
    ],
    ['', [], 'there is no target default', 'the files have none'],
  ])('%s: %j', async (file, wanted, message, hint) => {
    await expect(select(file, { wanted })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message),
      ...(hint === undefined ? {} : { hint: expect.stringContaining(hint) }),
    });
  });
});
