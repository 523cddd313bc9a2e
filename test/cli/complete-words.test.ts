/** What shells are told that can be typed next. */
import { describe, expect, test } from '@jest/globals';
import { completeWords } from '../../src/cli/complete-words.js';
import { createProgram } from '../../src/cli/program.js';

const PROGRAM = createProgram(() => {});
const complete = (line: string) => completeWords(PROGRAM, line.split(' '));
const words = (line: string) => complete(line).candidates.map(({ word }) => word);

describe('words', () => {
  test.each([
    ['bui', ['build']],
    ['cache mou', ['mounts']],
    ['cache mounts im', ['import']],
    ['build --isol', ['--isolation=']],
    ['build --no-ca', ['--no-cache', '--no-cache-filter=']],
    ['build --progress=js', ['--progress=json']],
    ['build --format do', ['docker']],
    ['build -t x --progress js', ['json']],
    ['build . --forc', ['--force-rm']],
    ['completion ', ['bash', 'zsh', 'fish']],
    ['run image --no', []],
    ['nosuch ', []],
  ])('wiac %s', (line, expected) => {
    expect(words(line)).toEqual(expected);
  });

  test('what only shells call is not shown', () => {
    expect(words('').filter((word) => word.startsWith('_'))).toEqual([]);
  });
});

describe('what is looked up', () => {
  test.each([
    ['build --target ', 'stage', ''],
    ['build --target=', 'stage', '--target='],
    ['build --debug=', 'step', '--debug='],
    ['why . ', 'step', ''],
    ['shell -f x . s', 'step', ''],
    ['run ', 'image', ''],
    ['tag one two ', undefined, undefined],
    ['rmi one t', 'image', ''],
    ['cache show 1', 'key', ''],
    ['cache diff 1 2', undefined, undefined],
    ['cache mounts rm x ', 'mount', ''],
    ['log ', 'build', ''],
    ['log last ', 'step', ''],
  ])('wiac %s: %s', (line, kind, prefix) => {
    const { wanted } = complete(line);
    // Operands of `cache diff` have names of their own.
    if (kind !== undefined) expect(wanted).toEqual({ kind, prefix });
    else expect(wanted?.kind).not.toBe('stage');
  });

  test('the operands and values that say where', () => {
    const { operands, values } = complete('why -f other --target=x . s');
    expect(operands).toEqual(['.']);
    expect([...values]).toEqual([
      ['--file', 'other'],
      ['--target', 'x'],
    ]);
  });

  test.each([
    ['build ', true],
    ['build -f ', true],
    ['build --file=', true],
    ['build --iidfile ', true],
    ['build --tag ', false],
    ['cache show ', false],
    ['copy ', true],
  ])('files for wiac %s: %s', (line, files) => {
    expect(complete(line).files).toBe(files);
  });
});
