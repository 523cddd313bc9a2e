/** The order of Debian's versions, beside dpkg. */
import { expect, test } from '@jest/globals';
import { execa } from 'execa';
import { compareDebian } from '../../src/attest/package-versions.js';
import { generator } from '../support/random.js';

test('random versions are ordered as dpkg orders them', async () => {
  const next = generator(17);
  const pick = (list: readonly string[]) => list[Math.floor(next() * list.length)] ?? '';
  const word = () =>
    Array.from({ length: 1 + Math.floor(next() * 5) }, () =>
      pick(['0', '1', '10', '09', 'a', 'Z', '~', '+', '.']),
    ).join('');
  const version = () => {
    const [epoch, revision] = [pick(['', '', '0:', '1:']), pick(['', '', `-${word()}`])];
    return `${epoch}1${word()}${revision}`;
  };
  const pairs = Array.from({ length: 150 }, () => [version(), version()] as const);
  const lines = pairs.map(
    ([a, b]) =>
      `if dpkg --compare-versions '${a}' lt '${b}'; then echo -1; elif dpkg --compare-versions '${a}' gt '${b}'; then echo 1; else echo 0; fi`,
  );
  const { stdout } = await execa('sh', ['-c', lines.join('\n')]);
  const ours = pairs.map(([a, b]) => `${Math.sign(compareDebian(a, b))} ${a} ${b}`);
  const theirs = stdout.split('\n').map((order, at) => `${order} ${pairs[at]?.join(' ')}`);
  expect(ours).toEqual(theirs);
});
