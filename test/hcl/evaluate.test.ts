/** HCL expressions: what they come to, and what is said of those that are wrong. */
import { describe, expect, test } from '@jest/globals';
import type { Scope } from '../../src/hcl/evaluate.js';
import { evaluate } from '../../src/hcl/evaluate.js';
import { standardFunctions } from '../../src/hcl/functions/standard-functions.js';
import { fileSource } from '../../src/hcl/hcl-source.js';
import type { Value } from '../../src/hcl/hcl-value.js';
import { fromJson, toJson } from '../../src/hcl/hcl-value.js';
import { parseHcl } from '../../src/hcl/parse-body.js';
import { parseHclJson } from '../../src/hcl/parse-json-body.js';
import type { BakeFileError } from '../../src/util/errors.js';

const FUNCTIONS = standardFunctions({
  now: () => new Date('2024-03-05T06:07:08Z'),
  uuid: () => '00000000-0000-4000-8000-000000000000',
  home: '/home/me',
});

const NAMES: Readonly<Record<string, unknown>> = {
  name: 'web',
  yes: true,
  none: null,
  list: ['a', 'b', 'c'],
  numbers: [3, 1, 2],
  map: { b: 2, a: 1 },
  users: [
    { name: 'x', tags: ['1', '2'] },
    { name: 'y', tags: ['3'] },
  ],
};

const SCOPE: Scope = {
  variable: (name) => (name in NAMES ? fromJson(NAMES[name]) : undefined),
  fn: (name) => (Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined),
};

function resultOf(text: string): Value {
  const body = parseHcl(fileSource('f.hcl', `x = ${text}\n`));
  const attribute = body.attributes.get('x');
  if (!attribute) throw new Error('there is no x');
  return evaluate(attribute.value, SCOPE);
}

function failure(text: string): BakeFileError {
  try {
    resultOf(text);
  } catch (error) {
    return error as BakeFileError;
  }
  throw new Error(`${text} is no mistake`);
}

describe('expressions', () => {
  test.each([
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['10 - 2 - 3', '5'],
    ['7 % 4 / 2', '1.5'],
    ['-2 - -3', '1'],
    ['"5" + 1', '6'],
    ['1e3', '1000'],
    ['123456789012345678901234567890', '123456789012345677877719597056'],
    ['!yes || 1 < 2 && "a" == "a"', 'true'],
    ['1 == "1"', 'false'],
    ['[1, "a"] == [1, "a"]', 'true'],
    ['{a = 1} != {a = 1}', 'false'],
    ['yes ? "a" : none', '"a"'],
    ['!yes ? 1 : 2 > 1 ? "b" : "c"', '"b"'],
    ['[1, 2,\n  3, # three\n]', '[1,2,3]'],
    ['{\n a = 1\n "b" = 2, c : 3 /* 3 */\n (name) = 4\n}', '{"a":1,"b":2,"c":3,"web":4}'],
    ['{ "x-${name}" = 1 }', '{"x-web":1}'],
    ['list[0]', '"a"'],
    ['list.1', '"b"'],
    ['map["a"] + map.b', '3'],
    ['users[*].name', '["x","y"]'],
    ['users.*.name', '["x","y"]'],
    ['users[*].tags[0]', '["1","3"]'],
    ['none[*]', '[]'],
    ['name[*]', '["web"]'],
    ['[for x in list : upper(x)]', '["A","B","C"]'],
    ['[for i, x in list : "${i}${x}" if x != "b"]', '["0a","2c"]'],
    ['{for k, v in map : v => k}', '{"1":"a","2":"b"}'],
    ['{for u in users : length(u.tags) => u.name...}', '{"1":["y"],"2":["x"]}'],
    ['[for k, v in map : k]', '["a","b"]'],
    ['concat(list...)', undefined],
    ['max([1, 5, 2]...)', '5'],
    ['"${list}"', '["a","b","c"]'],
  ])('%s', (text, expected) => {
    if (expected === undefined) expect(failure(text)).toBeInstanceOf(Error);
    else expect(toJson(resultOf(text))).toBe(expected);
  });
});

describe('templates', () => {
  test.each([
    ['"a ${name} b ${1 + 1}"', 'a web b 2'],
    ['"$${name} %%{if} $5 100%"', '${name} %{if} $5 100%'],
    ['"\\"\\\\\\n\\t\\u00e4\\U0001F600"', '"\\\n\tä😀'],
    ['"${"nested ${upper("x")}"}"', 'nested X'],
    ['"%{ if yes }on%{ else }off%{ endif }"', 'on'],
    ['"%{ if !yes }on%{ endif }."', '.'],
    ['"%{ for x in list }${x},%{ endfor }"', 'a,b,c,'],
    ['"%{ for k, v in map ~}  ${k}=${v} %{~ endfor }"', 'a=1b=2'],
    ['"a  ${~ name ~}  b"', 'awebb'],
    ['<<E\none ${name}\n  two\nE', 'one web\n  two\n'],
    ['<<-E\n    one\n      two "x" \\n\n\n    E', 'one\n  two "x" \\n\n\n'],
    ['<<-E\n  %{ for x in list ~}\n  ${x}\n  %{ endfor ~}\n  E', 'a\nb\nc\n'],
    ['"${yes}${1.5}"', 'true1.5'],
  ])('%s', (text, expected) => {
    expect(resultOf(text)).toBe(expected);
  });

  test('carriage returns and comments', () => {
    const body = parseHcl(
      fileSource('f', '\uFEFF// one\r\na = 1 # two\r\n/* three\r\n*/ b {\r\n}\r\n'),
    );
    expect([...body.attributes.keys(), ...body.blocks.map(({ type }) => type)]).toEqual(['a', 'b']);
  });
});

describe('mistakes have a place', () => {
  test.each([
    ['nosuch', 'there is no variable nosuch', 1, 5],
    ['[\n 1,\n nosuch\n]', 'there is no variable nosuch', 3, 2],
    ['nosuch(1)', 'there is no function nosuch', 1, 5],
    ['upper(1, 2)', 'upper: it has 1 arguments, not 2', 1, 5],
    ['upper([])', 'upper: argument 1 is a list, not a string', 1, 5],
    ['list[7]', 'there is no element 7 in a list of 3', 1, 10],
    ['map.c', 'there is no c in it', 1, 9],
    ['name.x', 'a string has no elements', 1, 10],
    ['1 + "a"', 'a string where a number is needed', 1, 9],
    ['1 / 0', 'division by zero', 1, 5],
    ['"${list} x"', "a list can't be put into text", 1, 8],
    ['"open', 'a string is not closed', 1, 10],
    ['"${1', 'is missing', 2, 1],
    ['<<E\nx', 'a heredoc is not closed', 1, 5],
    ['[1 2]', '2 where ] is missing', 1, 8],
    ['{a = 1 b = 2}', 'b where , or a new line is missing', 1, 12],
    ['"\\q"', '\\q is no escape', 1, 6],
    ['"%{ nosuch }"', '%{nosuch: there is no such directive', 1, 9],
    ['"%{ if yes }"', 'a directive is not closed', 1, 6],
    ['"%{ endif }"', '%{ endif } belongs to nothing', 1, 6],
    ['{for x in list : "k" => x}', 'the key k comes twice', 1, 5],
    ['1 2', '2 where the line should end', 1, 7],
    ['/* x', 'a comment is not closed', 1, 5],
    [`${'['.repeat(300)}`, 'nested too deeply', 1, 105],
  ])('%s', (text, message, line, column) => {
    const error = failure(text);
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ code: 'BAKE_FILE', location: { file: 'f.hcl', line, column } });
  });
});

describe('functions', () => {
  test.each([
    ['add(1, 2) + subtract(5, 1) + multiply(2, 3) + divide(8, 2) + modulo(7, 4)', '20'],
    [
      '[absolute(-2), negate(1), ceil(1.2), floor(1.8), int(-1.8), signum(-4), pow(2, 8)]',
      '[2,-1,2,1,-1,-1,256]',
    ],
    [
      '[log(16, 2), max(1, 3, 2), min(3, 1), parseint("ff", 16), parseint("-11", 2)]',
      '[4,3,1,255,-3]',
    ],
    [
      '[greaterthan(2, 1), greaterthanorequalto(1, 1), lessthan(2, 1), lessthanorequalto(2, 2)]',
      '[true,true,false,true]',
    ],
    [
      '[equal("", "x"), notequal("", "x"), and(true, false), or(true, false), not(true)]',
      '[false,true,false,true,false]',
    ],
    [
      '[upper("aä"), lower("AÄ"), title("hello big-world"), reverse("añb")]',
      '["AÄ","aä","Hello Big-World","bña"]',
    ],
    ['title("o\'neil a_b é–x (y)")', '"O\'Neil A_b É–x (Y)"'],
    [
      '"${0.1 + 0.2} ${1e-7} ${-2.5e-9} ${1e21}"',
      '"0.3 0.0000001 -0.0000000025 1000000000000000000000"',
    ],
    [
      '[formatdate("ZZZ", "2020-01-02T03:04:05Z"), formatdate("ZZZ", "2020-01-02T03:04:05+02:00")]',
      '["UTC","+0200"]',
    ],
    ['[strlen("noël"), substr("hello", 1, 3), substr("hello", -2, -1)]', '[4,"ell","lo"]'],
    [
      '[split(",", "a,b"), join("-", ["a", "b"], ["c"]), replace("1.2.3", ".", "-")]',
      '[["a","b"],"a-b-c","1-2-3"]',
    ],
    [
      '[trim("xxaxx", "x"), trimspace(" a "), trimprefix("v1", "v"), trimsuffix("a.c", ".c"), chomp("a\\n\\n")]',
      '["a","a","1","a","a"]',
    ],
    [
      '[regex("[a-z]+", "12ab3"), regex("(\\\\d)(\\\\d)", "x12"), regex("(?P<n>\\\\d)", "x1")]',
      '["ab",["1","2"],{"n":"1"}]',
    ],
    [
      '[regexall("[a-z]", "a1b"), regex_replace("hello", "(l+)", "<$1>"), regex_replace("ab", "(?P<x>a)", "${"$"}{x}!")]',
      '[["a","b"],"he<ll>o","a!b"]',
    ],
    [
      '[indent(2, "a\\nb"), sanitize("a.b/c-1"), format("%s-%03d %5.1f %q %v %x", "a", 7, 1.25, "q", [1], 255)]',
      '["a\\n  b","a_b_c-1","a-007   1.3 \\"q\\" [1] ff"]',
    ],
    ['formatlist("%s:%s", "x", ["1", "2"])', '["x:1","x:2"]'],
    [
      '[length(list), length(map), keys(map), values(map), merge({a = 1}, {b = 2}), zipmap(["k"], [1])]',
      '[3,2,["a","b"],[1,2],{"a":1,"b":2},{"k":1}]',
    ],
    [
      '[lookup(map, "a", 0), lookup(map, "z", 0), index(list, 1), hasindex(list, 9), indexof(list, "c"), element(list, 4)]',
      '[1,0,"b",false,2,"b"]',
    ],
    [
      '[contains(list, "a"), flatten([[1], [[2]]]), compact(["", "a"]), distinct([1, 1, 2]), reverselist(list)]',
      '[true,[1,2],["a"],[1,2],["c","b","a"]]',
    ],
    [
      '[slice(list, 1, 2), sort(["b", "a"]), chunklist([1, 2, 3], 2), range(3), range(1, 7, 3), range(3, 1)]',
      '[["b"],["a","b"],[[1,2],[3]],[0,1,2],[1,4],[3,2]]',
    ],
    ['[coalesce(none, "x"), coalescelist([], [1])]', '["x",[1]]'],
    [
      '[setunion(["b"], ["a"]), setintersection([1, 2], [2]), setsubtract([1, 2], [2]), setsymmetricdifference([1, 2], [2, 3]), sethaselement([1], 1)]',
      '[["a","b"],[2],[1],[1,3],true]',
    ],
    ['setproduct(["a", "b"], [1, 2])', '[["a",1],["a",2],["b",1],["b",2]]'],
    [
      '[timestamp(), formatdate("YYYY-MM-DD\'T\'hh:mm EEE", timestamp()), timeadd("2024-01-01T00:00:00Z", "1h")]',
      '["2024-03-05T06:07:08Z","2024-03-05T06:07 Tue","2024-01-01T01:00:00Z"]',
    ],
    ['rfc3339parse("2024-12-30T00:00:00Z").iso_week', '1'],
    ['unixtimestampparse(86400).day', '2'],
    [
      '[md5("a"), sha1("a"), substr(sha256("a"), 0, 8), substr(sha512("a"), 0, 8)]',
      '["0cc175b9c0f1b6a831c399e269772661","86f7e437faa5a7fce15d1ddcb9eaeaea377667b8","ca978112","1f40fc92"]',
    ],
    [
      '[base64encode("a"), base64decode("YQ=="), urlencode("a b/c"), jsonencode({b = [1], a = none}), jsondecode("{\\"a\\": [1]}").a[0]]',
      '["YQ==","a","a+b%2Fc","{\\"a\\":null,\\"b\\":[1]}",1]',
    ],
    ['csvdecode("a,b\\n1,\\"x,y\\"\\n")', '[{"a":"1","b":"x,y"}]'],
    [
      '[uuidv4(), uuidv5("dns", "example.org"), byteslen("ä")]',
      '["00000000-0000-4000-8000-000000000000","aad03681-8b63-5304-89e0-8ca8f49461b5",2]',
    ],
    ['[basename("/a/b.c"), dirname("/a/b.c"), homedir()]', '["b.c","/a","/home/me"]'],
    [
      '[cidrhost("10.1.0.0/16", 5), cidrhost("10.1.0.0/16", -2), cidrnetmask("10.0.0.0/12"), cidrsubnet("10.0.0.0/8", 8, 2)]',
      '["10.1.0.5","10.1.255.254","255.240.0.0","10.2.0.0/16"]',
    ],
    [
      '[cidrsubnets("10.1.0.0/16", 4, 4, 8), cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)]',
      '[["10.1.0.0/20","10.1.16.0/20","10.1.32.0/24"],"fd00:fd12:3456:7800:a200::/72"]',
    ],
    [
      '[semvercmp("1.4.2", ">= 1.2, < 2"), semvercmp("2.0.0", "^1.4"), semvercmp("1.4.9", "~1.4.2"), semvercmp("3.0.0", "1.x || 3.x")]',
      '[true,false,true,true]',
    ],
    [
      '[try(nosuch, "x"), can(map.a), can(map.z), convert("5", number), convert(["b", "a", "b"], set(string))]',
      '["x",true,false,5,["a","b"]]',
    ],
  ])('%s', (text, expected) => {
    expect(toJson(resultOf(text))).toBe(expected);
  });

  test.each([
    ['bcrypt("x")', 'wiac has no bcrypt'],
    ['divide(1, 0)', 'the result is no number'],
    ['regex("(", "a")', 'regex: '],
    ['regex("x", "a")', 'matches nothing'],
    ['range(100000)', 'more than 1024'],
    ['slice(list, 2, 9)', 'is not in a list of 3'],
    ['jsondecode("{")', 'jsondecode: '],
    ['base64decode("%")', 'no base64'],
    ['format("%d", "x")', 'needs a number'],
    ['format("%s")', 'no value 1'],
    ['convert("x", number)', 'a string is no number'],
    ['convert(1, nosuch)', 'that is no type'],
    ['try(nosuch)', 'none of the arguments'],
  ])('%s: %s', (text, message) => {
    expect(failure(text).message).toContain(message);
  });
});

describe('JSON in the place of HCL', () => {
  const TYPES = { target: { labels: 1, inner: {} } };
  const parse = (text: string) => parseHclJson(fileSource('f.json', text), TYPES);

  test('objects are blocks, strings are templates', () => {
    const body = parse(
      '{"//": "note", "v": "${name}!", "target": {"a": {"x": [1, "b"]}, "b": [{}, {}]}}',
    );
    const v = body.attributes.get('v');
    expect(v && evaluate(v.value, SCOPE)).toBe('web!');
    expect(body.blocks.map(({ labels }) => labels)).toEqual([['a'], ['b'], ['b']]);
    const x = body.blocks[0]?.body.attributes.get('x');
    expect(x && evaluate(x.value, SCOPE)).toEqual([1, 'b']);
  });

  test.each([
    ['{"a": }', '} where a string in quotes is missing', 1, 7],
    ['{"a": 1,\n "b" 2}', '2 where : is missing', 2, 6],
    ['[1]', 'that is no JSON object', 1, 1],
    ['{"target": 1}', 'target is no object', 1, 12],
    ['{} x', 'x after the end', 1, 4],
    ['{"a": "\\x"}', 'no string of JSON', 1, 7],
  ])('%s', (text, message, line, column) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message),
        location: expect.objectContaining({ file: 'f.json', line, column }),
      }),
    );
  });
});
