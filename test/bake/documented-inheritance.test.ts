/**
 * Every example of buildx's bake pages on overrides, inheritance, matrices, contexts, expressions, functions and remote
 * definitions, with names of our own.
 */
import type { Example } from './examples.js';
import { testExamples } from './examples.js';

const RUST = { RUST: '1.80', KEEP: '1' };
const COMMON = 'target "_common" { args = { RUST = "1.80", KEEP = 1 } }';

const INHERITANCE: readonly Example[] = [
  {
    of: 'tags and platforms',
    files: `
      target "dev" {
        args = { RUST = "1.80" }
        tags = ["me/app:dev"]
        labels = { "org.example.author" = "me" }
      }
      target "release" {
        inherits = ["dev"]
        tags = ["me/app:latest"]
        platforms = ["linux/amd64", "linux/arm64"]
      }`,
    given: { wanted: ['release'] },
    targets: {
      release: {
        args: { RUST: '1.80' },
        labels: { 'org.example.author': 'me' },
        tags: ['me/app:latest'],
        platforms: ['linux/amd64', 'linux/arm64'],
      },
    },
  },
  {
    of: 'what is common to several targets',
    files: `
      ${COMMON}
      target "lint" {
        inherits = ["_common"]
        dockerfile = "./dockerfiles/lint.Dockerfile"
        output = ["type=cacheonly"]
      }
      target "programs" {
        inherits = ["_common"]
        target = "programs"
        output = ["./build"]
        platforms = ["local"]
      }`,
    given: { wanted: ['lint', 'programs'] },
    targets: {
      lint: {
        args: RUST,
        dockerfile: './dockerfiles/lint.Dockerfile',
        output: [{ type: 'cacheonly' }],
      },
      programs: {
        args: RUST,
        target: 'programs',
        output: [{ dest: './build', type: 'local' }],
        platforms: ['local'],
      },
    },
  },
  {
    of: 'the target’s own argument counts',
    files: `${COMMON}\ntarget "dev" {\n inherits = ["_common"]\n args = { RUST = "1.70" }\n}`,
    given: { wanted: ['dev'] },
    targets: { dev: { args: { ...RUST, RUST: '1.70' } } },
  },
  {
    of: 'of several parents the last one counts',
    files: `
      ${COMMON}
      target "dev" {
        inherits = ["_common"]
        args = { KEEP = 0 }
        tags = ["me/app:dev"]
      }
      target "release" {
        inherits = ["dev", "_common"]
        tags = ["me/app:latest"]
      }`,
    given: { wanted: ['release'] },
    targets: { release: { args: RUST, tags: ['me/app:latest'] } },
  },
  {
    of: 'a single attribute',
    files: `
      target "one" {
        dockerfile = "one.Dockerfile"
        tags = ["app:latest"]
      }
      target "two" {
        dockerfile = "two.Dockerfile"
        tags = target.one.tags
      }`,
    given: { wanted: ['two'] },
    targets: { two: { dockerfile: 'two.Dockerfile', tags: ['app:latest'] } },
  },
];

const MATRICES: readonly Example[] = [
  {
    of: 'one axis',
    files: 'target "app" {\n name = "app-${t}"\n matrix = { t = ["one", "two"] }\n target = t\n}',
    given: { wanted: ['app'] },
    groups: { app: ['app-one', 'app-two'], default: ['app'] },
    targets: { 'app-one': { target: 'one' }, 'app-two': { target: 'two' } },
  },
  {
    of: 'several axes',
    files: `
      target "app" {
        name = "app-\${t}-\${replace(v, ".", "-")}"
        matrix = { t = ["one", "two"], v = ["1.0", "2.0"] }
        target = t
        args = { V = v }
      }`,
    given: { wanted: ['app'] },
    groups: { app: ['app-one-1-0', 'app-two-1-0', 'app-one-2-0', 'app-two-2-0'], default: ['app'] },
    targets: {
      'app-one-1-0': { target: 'one', args: { V: '1.0' } },
      'app-one-2-0': { target: 'one', args: { V: '2.0' } },
      'app-two-1-0': { target: 'two', args: { V: '1.0' } },
      'app-two-2-0': { target: 'two', args: { V: '2.0' } },
    },
  },
  {
    of: 'several values a target',
    files: `
      target "app" {
        name = "app-\${it.t}-\${replace(it.v, ".", "-")}"
        matrix = { it = [{ t = "one", v = "1.0" }, { t = "two", v = "2.0" }] }
        target = it.t
        args = { V = it.v }
      }`,
    given: { wanted: ['app'] },
    groups: { app: ['app-one-1-0', 'app-two-2-0'], default: ['app'] },
    targets: {
      'app-one-1-0': { target: 'one', args: { V: '1.0' } },
      'app-two-2-0': { target: 'two', args: { V: '2.0' } },
    },
  },
];

const EXPRESSIONS: readonly Example[] = [
  {
    of: 'arithmetic',
    files: 'product = 7*6\ntarget "default" { args = { answer = product } }',
    targets: { default: { args: { answer: '42' } } },
  },
  {
    of: 'conditions',
    files: `
      variable "N" { default = 3 }
      variable "IS" { default = true }
      target "app" { args = { v1 = N > 5 ? "higher" : "lower", v2 = IS ? "yes" : "no" } }`,
    given: { wanted: ['app'] },
    targets: { app: { args: { v1: 'lower', v2: 'yes' } } },
  },
  {
    of: 'a standard function',
    files: 'target "app" { args = { number = "${add(123, 1)}" } }',
    given: { wanted: ['app'] },
    targets: { app: { args: { number: '124' } } },
  },
  {
    of: 'a function of the file',
    files: `
      function "next" {
        params = [number]
        result = number + 1
      }
      target "app" { args = { number = "\${next(123)}" } }`,
    given: { wanted: ['app'] },
    targets: { app: { args: { number: '124' } } },
  },
  {
    of: 'a variable in a function',
    files: `
      variable "REPO" { default = "me/repo" }
      function "tag" {
        params = [tag]
        result = ["\${REPO}:\${tag}"]
      }
      target "app" { tags = tag("v1") }`,
    given: { wanted: ['app'] },
    targets: { app: { tags: ['me/repo:v1'] } },
  },
];

const OVERRIDES: readonly Example[] = [
  {
    of: '--set',
    files: 'target "app" { args = { word = "a" } }',
    given: { wanted: ['app'], set: ['app.args.word=b', 'app.platform=linux/arm64'] },
    targets: { app: { args: { word: 'b' }, platforms: ['linux/arm64'] } },
  },
  {
    of: '--set with patterns',
    files: 'target "foo1" {}\ntarget "foo2" {}\ntarget "bar" {}',
    given: {
      wanted: ['foo1', 'foo2', 'bar'],
      set: ['foo*.args.word=b', '*.platform=linux/arm64', 'foo*.no-cache'],
    },
    targets: {
      foo1: { args: { word: 'b' }, platforms: ['linux/arm64'], 'no-cache': true },
      foo2: { args: { word: 'b' }, platforms: ['linux/arm64'], 'no-cache': true },
      bar: { platforms: ['linux/arm64'] },
    },
  },
  {
    of: '--set of a list: given again, or added',
    files: 'target "one" { tags = ["a"] }\ntarget "two" { tags = ["a"] }',
    given: { wanted: ['one', 'two'], set: ['one.tags=b', 'one.tags=c', 'two.tags+=b'] },
    targets: { one: { tags: ['b', 'c'] }, two: { tags: ['a', 'b'] } },
  },
];

testExamples('inheritance', INHERITANCE);
testExamples('matrices', MATRICES);
testExamples('expressions and functions', EXPRESSIONS);
testExamples('overrides', OVERRIDES);
