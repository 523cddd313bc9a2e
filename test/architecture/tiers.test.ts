/** Which tests run where: those of pure logic need nothing of the machine. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { getTier, testFiles } from '../support/tiers.js';

const tiers = (tier: string) => testFiles().filter((path) => getTier(path) === tier);

test('each tier has tests', () => {
  expect(tiers('pure').length).toBeGreaterThan(20);
  expect(tiers('root').length).toBeGreaterThan(40);
  expect(tiers('peers').length).toBeGreaterThan(20);
});

test.each(tiers('pure'))('%s starts no program and mounts nothing', (path) => {
  const text = readFileSync(`test/${path}`, 'utf8');
  const needs = /from '(node:child_process|execa|.*support\/(wiac|in-process|registry|tree)\.js)'/;
  expect(needs.exec(text)?.[1]).toBe(undefined);
});

test('the scripts of package.json run the tiers', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  for (const tier of ['pure', 'root', 'peers'])
    expect(scripts[`test:${tier}`]).toContain(`WIAC_TIER=${tier} `);
});
