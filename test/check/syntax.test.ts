import { expect, test } from '@jest/globals';
import { details, warned } from './helpers.js';

test('StageNameCasing: names in lower case', () => {
  expect(warned('FROM scratch AS Build')).toEqual(['1 StageNameCasing']);
  expect(warned('FROM scratch AS build-2')).toEqual([]);
});

test('FromAsCasing: AS has the case of FROM; mixed case is ConsistentInstructionCasing', () => {
  expect(warned('FROM scratch as a')).toEqual(['1 FromAsCasing']);
  expect(warned('from scratch AS a')).toEqual(['1 FromAsCasing']);
  expect(warned('FROM scratch As a')).toEqual(['1 FromAsCasing']);
  expect(warned('from scratch as a')).toEqual([]);
  expect(warned('From scratch as a\nFROM scratch AS b')).toEqual(['1 ConsistentInstructionCasing']);
});

test('ConsistentInstructionCasing: the majority decides, and capitals when there is none', () => {
  expect(warned('FROM scratch\ncopy a /\nCOPY a /')).toEqual(['2 ConsistentInstructionCasing']);
  expect(warned('FROM scratch\ncopy a /\ncopy a /')).toEqual(['1 ConsistentInstructionCasing']);
  expect(warned('FROM scratch\ncopy a /')).toEqual(['2 ConsistentInstructionCasing']);
  expect(warned('frOM scratch as a\nfrom scratch as b')).toEqual(['1 ConsistentInstructionCasing']);
  expect(warned('from scratch\ncopy a /')).toEqual([]);
});

test('ConsistentInstructionCasing: ARG before FROM has no vote', () => {
  expect(warned('arg a\narg b\nFROM scratch')).toEqual([]);
});

test('DuplicateStageName: names that differ in case alone are the same', () => {
  expect(warned('FROM scratch AS a\nFROM scratch AS a')).toEqual(['2 DuplicateStageName']);
  expect(warned('FROM scratch AS A\nFROM scratch AS a')).toEqual([
    '1 StageNameCasing',
    '2 DuplicateStageName',
  ]);
  expect(warned('FROM scratch AS a1\nFROM scratch AS a2\nFROM scratch\nFROM scratch')).toEqual([]);
});

test('ReservedStageName: scratch and context', () => {
  expect(warned('FROM scratch AS scratch')).toEqual(['1 ReservedStageName']);
  expect(warned('FROM scratch AS context')).toEqual(['1 ReservedStageName']);
  expect(warned('FROM scratch AS contexts')).toEqual([]);
});

test('MaintainerDeprecated', () => {
  expect(warned('FROM scratch\nMAINTAINER me')).toEqual(['2 MaintainerDeprecated']);
  expect(warned('FROM scratch\nLABEL maintainer=me')).toEqual([]);
});

test('LegacyKeyValueFormat: ENV and LABEL', () => {
  expect(warned('FROM scratch\nENV a b\nLABEL a b c')).toEqual([
    '2 LegacyKeyValueFormat',
    '3 LegacyKeyValueFormat',
  ]);
  expect(warned('FROM scratch\nENV a=b c="d e"\nLABEL a=')).toEqual([]);
});

test('NoEmptyContinuation: once an instruction, at its empty lines', () => {
  expect(warned('FROM scratch\nCOPY a \\\n\n\\\n\n/\nCOPY a \\\n\n/')).toEqual([
    '3 NoEmptyContinuation',
    '8 NoEmptyContinuation',
  ]);
  expect(warned('FROM scratch\nCOPY a \\\n# comment\n/\n\n\nCOPY b /')).toEqual([]);
});

test('InvalidDefinitionDescription: off by default, on by name and by all', () => {
  const text = '# about it\nFROM scratch AS a';
  expect(warned(text)).toEqual([]);
  const found = ['3 InvalidDefinitionDescription'];
  expect(warned(`# check=experimental=InvalidDefinitionDescription\n${text}`)).toEqual(found);
  expect(warned(`# check=skip=all;experimental=all\n${text}`)).toEqual(found);
});

test('InvalidDefinitionDescription: the last line above ARG or FROM begins with a name', () => {
  const check = (text: string) => warned(`# check=experimental=all\n${text}`);
  expect(check('# other\nARG a=1\nFROM scratch')).toEqual(['3 InvalidDefinitionDescription']);
  expect(check('# a is it\n# and more\nARG a=1\nFROM scratch')).toEqual([
    '4 InvalidDefinitionDescription',
  ]);
  expect(check('ARG a\n# ab is it\nARG a\nFROM scratch')).toEqual([
    '4 InvalidDefinitionDescription',
  ]);
  for (const quiet of [
    '# a is it\nARG a=1\nFROM scratch',
    '# more\n# b is it\nARG a=1 b=2\nFROM scratch',
    '# other\n\nARG a=1\nFROM scratch',
    '# other\n#\nARG a=1\nFROM scratch',
    '# other\nFROM scratch',
    '# a is it\nFROM scratch AS a\n# other\nCOPY a /',
  ]) {
    expect(check(quiet)).toEqual([]);
  }
  const several = '# check=experimental=all\n# other\nARG a b\nFROM scratch';
  expect(details(several)[0]).toContain('# <name> <description>');
});
