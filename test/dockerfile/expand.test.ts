// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a Dockerfile refers to a variable
import { describe, expect, test } from '@jest/globals';
import { type ExpandOptions, expand, expandWords } from '../../src/dockerfile/expand.js';
import { getError, HERE } from './helpers.js';

const VARIABLES = new Map([
  ['v', 'value'],
  ['empty', ''],
  ['path', '/usr/local/lib/x.tar.gz'],
  ['list', 'a b  c'],
  ['stars', 'a*b*c'],
  ['glob', '*'],
  ['é', 'accent'],
  ['lines', 'one\ntwo'],
  ['emoji', '🚀x🚀y'],
]);
const options = (more: Partial<ExpandOptions> = {}): ExpandOptions => ({
  lookup: (name) => VARIABLES.get(name),
  escape: '\\',
  location: HERE,
  ...more,
});

describe('references', () => {
  test.each([
    ['plain', 'plain'],
    ['$v', 'value'],
    ['${v}', 'value'],
    ['a$v.b', 'avalue.b'],
    ['${v}b', 'valueb'],
    ['$vb', ''],
    ['$é', 'accent'],
    ['[$unset]', '[]'],
    ['$', '$'],
    ['a$', 'a$'],
    ['$.', '$.'],
    ['$ v', '$ v'],
    ['$$v', 'v'],
    ['$1a', 'a'],
    ['$12a', 'a'],
    ['$@-', '-'],
    ['$?x', 'x'],
    ['${1}', ''],
  ])('%j is %j', (word, text) => {
    expect(expand(word, options()).text).toBe(text);
  });
});

describe('quotes and escapes', () => {
  test.each([
    ["'$v'", '$v'],
    ['"$v"', 'value'],
    ['a"b"\'c\'', 'abc'],
    ['\\$v', '$v'],
    ['"\\$v"', '$v'],
    ["'\\$v'", '\\$v'],
    ['\\a\\\\b', 'a\\b'],
    ['"\\a\\\\b\\""', '\\a\\b"'],
    ['\\"$v\\"', '"value"'],
    [`"it's $v"`, "it's value"],
    [`'say "x"'`, 'say "x"'],
    ['""', ''],
    ['a\\', 'a'],
    ['\\🚀', '🚀'],
  ])('%j is %j', (word, text) => {
    expect(expand(word, options()).text).toBe(text);
  });

  test('the backtick as escape character leaves backslashes alone', () => {
    expect(expand('C:\\x `$v "`"`n"', options({ escape: '`' })).text).toBe('C:\\x $v "`n');
  });

  test('kept quotes still decide what is expanded', () => {
    const kept = options({ quotes: 'keep', escapes: 'keep' });
    expect(expand(`'$v' "$v" \\$v`, kept).text).toBe(`'$v' "value" \\$v`);
  });

  test('plain quotes decide nothing (here-documents)', () => {
    expect(expand(`it's '$v' "$v" \\$v`, options({ quotes: 'plain' })).text).toBe(
      `it's 'value' "value" $v`,
    );
  });
});

describe('modifiers', () => {
  test.each([
    ['${v:-w}', 'value'],
    ['${empty:-w}', 'w'],
    ['${empty-w}', ''],
    ['${unset:-w}', 'w'],
    ['${unset-w}', 'w'],
    ['${unset:-}', ''],
    ['${v:+w}', 'w'],
    ['${v+w}', 'w'],
    ['${empty:+w}', ''],
    ['${empty+w}', 'w'],
    ['${unset+w}', ''],
    ['${v:?w}', 'value'],
    ['${v?w}', 'value'],
    ['${empty?w}', ''],
    ['${unset:-$v}', 'value'],
    ['${unset:-${empty:-${v}}}', 'value'],
    ['${unset:-a b}', 'a b'],
    ['${unset:-"a}b"}', 'a}b'],
    ['${unset:-a\\}b}', 'a}b'],
    ['"${unset:-"x y"}"', 'x y'],
  ])('%j is %j', (word, text) => {
    expect(expand(word, options()).text).toBe(text);
  });

  test.each([
    ['${path#*/}', 'usr/local/lib/x.tar.gz'],
    ['${path##*/}', 'x.tar.gz'],
    ['${path%.*}', '/usr/local/lib/x.tar'],
    ['${path%%.*}', '/usr/local/lib/x'],
    ['${path%/*}', '/usr/local/lib'],
    ['${path#nothing}', '/usr/local/lib/x.tar.gz'],
    ['${path#}', '/usr/local/lib/x.tar.gz'],
    ['${path#/???}', '/local/lib/x.tar.gz'],
    ['${path%?}', '/usr/local/lib/x.tar.g'],
    ['${stars#a\\*}', 'b*c'],
    ['${stars#"a*"}', '*b*c'],
    ['${stars#"a\\*"}', 'a*b*c'],
    ['${stars##*$glob}', ''],
    ['${stars#[a]}', 'a*b*c'],
    ['${unset#x}', ''],
    ['${lines#*}', 'one\ntwo'],
    ['${lines##*}', '\ntwo'],
    ['${emoji#?}', 'x🚀y'],
    ['${emoji%%🚀*}', ''],
  ])('trimming %j is %j', (word, text) => {
    expect(expand(word, options()).text).toBe(text);
  });

  test.each([
    ['${v/a/-}', 'v-lue'],
    ['${path/l/L}', '/usr/Local/lib/x.tar.gz'],
    ['${path//l/L}', '/usr/LocaL/Lib/x.tar.gz'],
    ['${path//\\//.}', '.usr.local.lib.x.tar.gz'],
    ['${path/\\/usr/}', '/local/lib/x.tar.gz'],
    ['${v//?/x}', 'xxxxx'],
    ['${v//*/x}', 'x'],
    ['${v/a*/x}', 'vx'],
    ['${v///-}', '-v-a-l-u-e-'],
    ['${v/e/$empty!}', 'valu!'],
    ['${v/x/y}', 'value'],
    ['${stars//\\*/+}', 'a+b+c'],
    ['${lines//*/x}', 'x\nx'],
    ['${emoji//🚀/-}', '-x-y'],
    ['${unset/a/b}', ''],
  ])('replacing %j is %j', (word, text) => {
    expect(expand(word, options()).text).toBe(text);
  });
});

describe('errors', () => {
  test.each([
    ['"abc', 'unterminated double quote'],
    ["'abc", 'unterminated single quote'],
    ['${v', "missing '}'"],
    ['${', "missing '}'"],
    ['${v:-x', "missing '}'"],
    ['${v/a}', "missing '/'"],
    ['${v/a/b', "missing '}'"],
    ['${}', 'bad substitution'],
    ['${{v}}', 'bad substitution'],
    ['${:-x}', 'bad substitution'],
    ['${v=x}', "unsupported modifier '='"],
    ['${v:=x}', "unsupported modifier ':='"],
    ['${v!}', "unsupported modifier '!'"],
    ['${v#\\x}', "invalid escape '\\x'"],
    ['${unset:?}', 'unset: is not allowed to be unset'],
    ['${empty:?}', 'empty: is not allowed to be empty'],
    ['${unset?give $v}', 'unset: give value'],
    ['${a:-'.repeat(1000), 'deep'],
  ])('%j', (word, message) => {
    const error = getError(() => expand(word, options()));
    expect(error.message).toContain(message);
    expect(error.location).toBe(HERE);
  });
});

describe('names', () => {
  test('those that are set, and those that are not', () => {
    const { used, undefinedNames } = expand(
      "$v ${empty} $x ${y} ${z:-$path} ${w+q} ${t#a} '$quoted' \\$escaped $",
      options(),
    );
    expect([...used]).toEqual(['v', 'empty', 'path']);
    expect([...undefinedNames]).toEqual(['x', 'y', 'z', 'w', 't']);
  });

  test('unset references can be kept', () => {
    const word = '$x ${x} ${x:-w} ${x#p} ${x/a/b} $v';
    expect(expand(word, options({ unset: 'keep' })).text).toBe(
      '$x ${x} ${x:-w} ${x#p} ${x/a/b} value',
    );
  });
});

describe('expandWords', () => {
  test.each([
    ['a  b', ['a', 'b']],
    [' a ', ['a']],
    ['"a b" c', ['a b', 'c']],
    ['a\\ b c', ['a b', 'c']],
    ["a'  'b", ['a  b']],
    ['$list', ['a', 'b', 'c']],
    ['"$list"', ['a b  c']],
    ['x$list', ['xa', 'b', 'c']],
    ['a $unset b', ['a', 'b']],
    ['', []],
    ['""', []],
    ['a "" b', ['a', 'b']],
    ['${unset:-x y}', ['x', 'y']],
  ])('%j is %j', (word, words) => {
    expect(expandWords(word, options()).words).toEqual(words);
  });
});
