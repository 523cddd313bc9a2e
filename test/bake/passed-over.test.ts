/** What buildx builds although a part of a file means nothing, or nothing is there to build (seen with buildx 0.29). */
import { describe, expect, test } from '@jest/globals';
import { define, fieldsOf, print, select } from './helpers.js';

const USUAL = { context: '.', dockerfile: 'Dockerfile' };

describe('what no block has is told, and changes nothing', () => {
  test.each([
    ['target "default" {\n  contxt = "x"\n}', '2:3: a target has no contxt', 'mean context?'],
    ['target "default" {\n  targets = ["x"]\n}', '2:3: a target has no targets', 'mean target?'],
    ['target "default" {\n  x { y = 1 }\n}', '2:3: a target has no block x', 'nothing'],
    ['target "default" {\n  args { y = 1 }\n}', 'a target has no block args', 'write args = {'],
    ['target "default" {}\ngroup "g" {\n  targets = []\n  x = 1\n}', 'a group has no x', ''],
    ['target "default" {}\nvariable "v" {\n  x = 1\n}', 'a variable has no x', ''],
    ['target "default" {}\nvariable "v" {\n  x {}\n}', 'a variable has no block x', ''],
    ['targt "x" {}\ntarget "default" {}', '1:1: there is no block targt', 'mean target?'],
    ['target "default" {}\nlocals {\n  x = 1\n}', 'there is no block locals', ''],
  ])('%j', async (file, message, hint) => {
    expect(await fieldsOf(file)).toEqual(USUAL);
    const [warning, ...others] = (await define(file)).warnings;
    expect(warning).toContain('docker-bake.hcl:');
    expect(warning).toContain(`${message}, it changes nothing`);
    expect(warning).toContain(hint);
    expect(others).toEqual([]);
  });

  test('in JSON too; what is known is not told', async () => {
    const target = { name: 'n', matrix: { v: ['a'] }, inherits: ['b'], tags: ['t'], odd: 1 };
    const file = { 'docker-bake.json': JSON.stringify({ target: { default: target, b: {} } }) };
    expect((await define(file)).warnings).toEqual([
      expect.stringContaining('a target has no odd, it changes nothing'),
    ]);
  });
});

test.each([
  ['./', '.'],
  ['', '.'],
  ['./x/../y//z/', 'y/z'],
  ['../', '..'],
  ['/', '/'],
  ['cwd://./x/', 'cwd://./x/'],
  ['https://example.org/a/../b.git#x:./', 'https://example.org/a/../b.git#x:./'],
])('the context %j is printed as %j', async (context, printed) => {
  expect(await fieldsOf(`target "default" { context = "${context}" }`)).toMatchObject({
    context: printed,
  });
});

test('an empty name of a Dockerfile is none', async () => {
  expect(await fieldsOf('target "default" { dockerfile = "" }')).toEqual(USUAL);
  const yaml = 'services: { a: { build: { context: ./, dockerfile: "${NONE}" } } }';
  expect(await fieldsOf({ 'compose.yaml': yaml })).toEqual(USUAL);
});

describe('compose files without anything to build', () => {
  const yaml = 'services: { a: { image: x }, b: { image: y, profiles: [p], build: . } }';
  const isActive = (profiles: readonly string[]) => profiles.length === 0;

  test('are no mistake', async () => {
    expect(await print({ 'compose.yaml': yaml }, { isActive })).toEqual({
      group: { default: { targets: [] } },
      target: {},
    });
    expect((await define({ 'compose.yaml': yaml })).unbuilt).toEqual(['a']);
  });

  test('a name that no service has is one', async () => {
    const wanted = { isActive, wanted: ['nosuch'] };
    await expect(select({ 'compose.yaml': yaml }, wanted)).rejects.toThrow('no target nosuch');
  });
});
