/** --set, --push, --load, --allow, --list. */
import { describe, expect, test } from '@jest/globals';
import { missingAllowances, parseAllowances } from '../../src/bake/allowances.js';
import { wishesOf } from '../../src/bake/local-paths.js';
import { listTargets, listVariables } from '../../src/bake/print-targets.js';
import { mergeNamed } from '../../src/bake/resolve-targets.js';
import { define, fieldsOf, print, select } from './helpers.js';

const FILE = `
  target "foo" {
    args = { mybuildarg = "old", other = "kept" }
    tags = ["foo"]
    platforms = ["linux/amd64"]
    output = ["type=image,name=foo"]
    attest = ["type=provenance,mode=min"]
  }
  target "foobar" { inherits = ["foo"] }
  target "baz" {}`;

describe('--set', () => {
  test.each([
    ['foo.args.mybuildarg=value', { args: { mybuildarg: 'value', other: 'kept' } }],
    ['foo*.args.new=a=b', { args: { mybuildarg: 'old', other: 'kept', new: 'a=b' } }],
    ['foo.platform=linux/arm64', { platforms: ['linux/arm64'] }],
    ['*.platform=linux/arm64', { platforms: ['linux/arm64'] }],
    ['foo.platform+=linux/arm64', { platforms: ['linux/amd64', 'linux/arm64'] }],
    ['foo.no-cache', { 'no-cache': true }],
    ['foo.no-cache=false', { 'no-cache': false }],
    ['foo.tags=', { tags: undefined }],
    ['foo.tags=a', { tags: ['a'] }],
    ['foo.tags+=a', { tags: ['foo', 'a'] }],
    ['foo.labels.a.b=c', { labels: { 'a.b': 'c' } }],
    ['foo.contexts.src=../x', { contexts: { src: '../x' } }],
    ['foo.attest=type=sbom', { attest: [{ mode: 'min', type: 'provenance' }, { type: 'sbom' }] }],
    ['foo.attest=type=provenance,mode=max', { attest: [{ mode: 'max', type: 'provenance' }] }],
    ['foo.secrets=id=a,src=b', { secret: [{ id: 'a', src: 'b' }] }],
    ['foo.output=type=local,dest=o', { output: [{ dest: 'o', type: 'local' }] }],
    ['foo.push=true', { output: [{ name: 'foo', push: 'true', type: 'image' }] }],
    ['foo.load=true', { output: [{ name: 'foo', type: 'image' }, { type: 'docker' }] }],
    ['foo.args.FROM_ENV', { args: { mybuildarg: 'old', other: 'kept', FROM_ENV: 'here' } }],
    ['foo.args.NOT_THERE', { args: { mybuildarg: 'old', other: 'kept' } }],
    ['foo.entitlements=network.host', { entitlements: ['network.host'] }],
  ])('%s', async (set, expected) => {
    const given = { wanted: ['foo'], set: [set], environment: { FROM_ENV: 'here' } };
    const fields = (await fieldsOf(FILE, given)) as Record<string, unknown>;
    const [[name, value] = ['']] = Object.entries(expected);
    expect(fields[name]).toEqual(value);
  });

  test('several are for all targets of the pattern, and for those that inherit from them', async () => {
    const set = ['foo.tags=a', 'foo.tags=b', 'ba?.platform=linux/arm64'];
    expect(await print(FILE, { wanted: ['foobar', 'baz'], set })).toMatchObject({
      target: { foobar: { tags: ['a', 'b'] }, baz: { platforms: ['linux/arm64'] } },
    });
    expect(await fieldsOf('target "default" {}', { set: ['*.push=true'] })).toMatchObject({
      output: [{ push: 'true', type: 'image' }],
    });
  });

  test.each([
    ['foo', 'not understood', 'write TARGET.FIELD=VALUE'],
    ['foo.platfrm=x', 'has no platfrm', 'did you mean platform?'],
    ['foo.args=x', 'args needs a name', 'TARGET.args.NAME'],
    ['foo.tags.a=x', 'tags has no names in it', undefined],
    ['foo.tags', 'the value is missing', undefined],
    ['fop.tags=x', 'there is no target fop', 'did you mean foo?'],
    ['foo.pull=maybe', 'pull is a string, not true or false', undefined],
    ['foo.output=type=local,x', "'x' is no NAME=VALUE", undefined],
  ])('%s is a mistake', async (set, message, hint) => {
    await expect(select(FILE, { wanted: ['foo'], set: [set] })).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining(message),
      ...(hint === undefined ? {} : { hint: expect.stringContaining(hint) }),
    });
  });
});

const NONE = parseAllowances([], (path) => path);

describe('--allow', () => {
  const inCwd = (path: string) => new URL(path, 'file:///cwd/').pathname.replace(/(?<=.)\/$/, '');
  const missing = async (body: string, allow: string[] = []) => {
    const { targets } = await select(`target "default" {\n${body}\n}`);
    const allowed = parseAllowances(allow, inCwd);
    return missingAllowances(targets.flatMap(wishesOf), allowed, '/cwd', inCwd);
  };

  test.each([
    ['context = "sub"\ndockerfile = "../Dockerfile"', []],
    ['context = "https://example.org/x.git"\ndockerfile = "../../x"', []],
    ['context = ".."', ['fs.read=/']],
    ['dockerfile = "../x"', ['fs.read=/x']],
    ['dockerfile = "../x"\ndockerfile-inline = "FROM scratch"', []],
    [
      'contexts = { a = "/etc", b = "docker-image://x", c = "oci-layout:///img" }',
      ['fs.read=/etc', 'fs.read=/img'],
    ],
    // Where the build would take them for paths.
    ['context = "x://../../etc"', ['fs.read=/etc']],
    ['context = "git@x/../../etc"', ['fs.read=/etc']],
    ['context = "file:///home/me/x.git"', ['fs.read=/home/me/x.git']],
    ['context = "https://example.org/x.git"\ndockerfile = "/etc/passwd"', ['fs.read=/etc/passwd']],
    ['dockerfile = "x://../../etc/passwd"', ['fs.read=/etc/passwd']],
    ['contexts = { a = "service:/../../etc", b = "docker-image://../../etc" }', ['fs.read=/etc']],
    ['contexts = { a = "oci-layout://x@y/../../etc" }', ['fs.read=/etc']],
    ['contexts = { a = "oci-archive:/img:tag" }', ['fs.read=/img']],
    ['secret = ["id=/etc/shadow"]', ['fs.read=/etc/shadow']],
    ['secret = ["id=a,src=x://../../etc/shadow"]', ['fs.read=/etc/shadow']],
    ['output = [{ type = "local", " DEST" = "/out" }]', ['fs.write=/out']],
    ['secret = ["id=a,src=/root/.netrc", "id=b,env=B"]', ['fs.read=/root/.netrc']],
    ['ssh = ["default"]', ['ssh']],
    ['cache-to = ["type=local,dest=c,sign-key=/root/sign.pem"]', ['fs.read=/root/sign.pem']],
    ['cache-from = ["type=gha,trust-key=/root/trust.pem"]', ['fs.read=/root/trust.pem']],
    ['ssh = ["k=/root/.ssh/id"]', ['fs.read=/root/.ssh/id']],
    ['output = ["/out", "type=tar,dest=-", "in"]', ['fs.write=/out']],
    [
      'cache-from = ["type=local,src=/c"]\ncache-to = ["type=local,dest=/d"]',
      ['fs.read=/c', 'fs.write=/d'],
    ],
    [
      'network = "host"\nentitlements = ["security.insecure"]',
      ['network.host', 'security.insecure'],
    ],
  ])('%s', async (body, expected) => {
    expect(await missing(body)).toEqual(expected);
    expect(await missing(body, ['*'])).toEqual([]);
    expect(await missing(body, [...expected, 'ssh'])).toEqual([]);
  });

  test('a directory is allowed with what is below it, for reading or writing', async () => {
    expect(await missing('contexts = { a = "/etc/x" }', ['fs.read=/etc'])).toEqual([]);
    expect(await missing('contexts = { a = "/etcetera" }', ['fs.read=/etc'])).not.toEqual([]);
    expect(await missing('output = ["/out"]', ['fs.read=/out'])).toEqual(['fs.write=/out']);
    expect(await missing('output = ["/out"]', ['fs=/out'])).toEqual([]);
    expect(() => parseAllowances(['fs'], inCwd)).toThrow('--allow fs: not understood');
  });
});

test.each([
  ['output = [{ type = "tar", "dest=/etc/x" = "" }]', 'output: "dest=/etc/x" is no name'],
  ['ssh = [{ id = "default=/root/.ssh/id" }]', 'ssh: default=/root/.ssh/id is no id'],
])('%s would be something else as an option', async (body, message) => {
  await expect(select(`target "default" {\n${body}\n}`)).rejects.toThrow(message);
});

test('a path is allowed when it is, followed as the kernel does and as it is written', () => {
  const links = (path: string) => path.replace(/^link\/\.\./, '/etc').replace(/^\.\.?$/, '/');
  const wish = (path: string) =>
    missingAllowances([{ kind: 'fs.read', path }], NONE, '/cwd', links);
  expect(wish('link/../shadow')).toContain('fs.read=/etc/shadow');
  expect(wish('/cwd/deep/../..')).toEqual(['fs.read=/']);
});

test('all files are asked for that are read where there is no Dockerfile', async () => {
  const links = (path: string) => (/^[dC]/.test(path) ? `/home/${path}` : `/cwd/${path}`);
  const { targets } = await select('target "default" {}');
  expect(missingAllowances(targets.flatMap(wishesOf), NONE, '/cwd', links)).toEqual([
    'fs.read=/home/dockerfile',
    'fs.read=/home/Containerfile',
  ]);
});

test('what is inherited in many ways is read once, and so is what fails', async () => {
  const chain = Array.from({ length: 40 }, (_, at) => {
    const next = `"t${at + 1}"`;
    return `target "t${at}" { inherits = [${next}, ${next}] }\nv${at + 1} = try(v${at} + 1, v${at} + 2)`;
  });
  const file = [...chain, 'v0 = nope', 'target "t40" { args = { A = can(v40), B = try(v40, 7) } }'];
  expect(await fieldsOf(file.join('\n'), { wanted: ['t0'] })).toMatchObject({
    args: { A: 'false', B: '7' },
  });
});

test.each([
  ['a long sum', `x = ${'1 + '.repeat(50_000)}1`],
  ['many conditions', `x = "${'%{ if true }'.repeat(20_000)}${'%{ endif }'.repeat(20_000)}"`],
  [
    'a text that doubles',
    [
      'v0 = "aaaaaaaaaa"',
      ...Array.from({ length: 40 }, (_, at) => `v${at + 1} = "\${v${at}}\${v${at}}"`),
      'x = v40',
    ].join('\n'),
  ],
])('%s is a mistake of the file', async (_, body) => {
  await expect(define(`${body}\ntarget "default" { args = { A = x } }`)).rejects.toMatchObject({
    code: 'BAKE_FILE',
    message: 'the values of the files are nested too deeply, or too long',
  });
});

const numbers = Array.from({ length: 39 }, (_, at) => at + 1);

test.each([
  [
    'functions that each call another one twice',
    [
      'function "f0" {\n params = [a]\n result = a\n}',
      ...numbers.map(
        (at) => `function "f${at}" {\n params = [a]\n result = f${at - 1}(f${at - 1}(a))\n}`,
      ),
      'target "default" { args = { A = f39(1) } }',
    ],
  ],
  [
    'lists that double',
    [
      'v0 = [1]',
      ...numbers.map((at) => `v${at} = [v${at - 1}, v${at - 1}]`),
      'target "default" { args = { A = try(length(flatten(v39)), 1) } }',
    ],
  ],
  [
    'long lists of a service and of what it extends',
    [
      'services:\n  b:\n    build:\n      context: .\n      tags:',
      ...Array.from({ length: 50_000 }, (_, at) => `        - b${at}`),
      '  a:\n    extends: b\n    build:\n      tags:',
      ...Array.from({ length: 50_000 }, (_, at) => `        - a${at}`),
    ],
  ],
])('%s take a bounded time', async (_, lines) => {
  await expect(
    define(
      { [lines[0]?.startsWith('services') ? 'compose.yaml' : 'docker-bake.hcl']: lines.join('\n') },
      { patience: 1000 },
    ),
  ).rejects.toMatchObject({
    code: 'BAKE_FILE',
    message: 'it takes too long to find out what the files mean',
  });
});

test.each([
  ['group', 'targets', 'there are too many groups in g'],
  ['target', 'inherits', 'is inherited too often in a row'],
])('a %s of a group of a group without an end', async (type, field, message) => {
  const chain = Array.from(
    { length: 8000 },
    (_, at) => `${type} "g${at}" { ${field} = ["g${at + 1}"] }`,
  );
  const file = [...chain, 'target "g8000" {}'].join('\n');
  await expect(select(file, { wanted: ['g0'] })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message),
  });
});

test('a pattern that would take years is a mistake of the file', async () => {
  const file = `x = regex("^(a+)+$", "${'a'.repeat(40)}!")\ntarget "default" { args = { A = x } }`;
  await expect(define(file)).rejects.toThrow('the pattern takes too long');
});

test('--list', async () => {
  const file = `
    variable "TAG" {
      type = string
      default = "latest"
      description = "of the image"
    }
    variable "NONE" { default = null }
    group "default" { targets = ["app"] }
    target "_common" {}
    target "app" { description = "what it is all about" }`;
  const definition = await define(file);
  expect(listTargets(mergeNamed(definition), 'table')).toBe(
    'TARGET   DESCRIPTION\ndefault  app\napp      what it is all about\n',
  );
  expect(JSON.parse(listTargets(mergeNamed(definition), 'json'))).toEqual([
    { name: 'default', description: 'app', group: true },
    { name: 'app', description: 'what it is all about' },
  ]);
  expect(listVariables(definition.variables, 'table')).toBe(
    'VARIABLE  TYPE    VALUE   DESCRIPTION\nNONE              <null>\nTAG       string  latest  of the image\n',
  );
  expect(JSON.parse(listVariables(definition.variables, 'json'))).toHaveLength(2);
});
