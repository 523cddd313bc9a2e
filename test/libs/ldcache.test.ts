/** /etc/ld.so.cache, with ldconfig as the oracle. */
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import fc from 'fast-check';
import { parseLoaderCache, readLoaderCache } from '../../src/libs/ldcache.js';
import { tempDir } from '../support/wiac.js';
import { cacheBytes } from './synthetic.js';

const ENTRIES = [
  { name: 'liba.so.1', path: '/lib/liba.so.1' },
  { name: 'libb.so', path: '/opt/fast/libb.so', hwcap: 2n ** 62n },
  { name: 'libb.so', path: '/opt/libb.so' },
  { name: 'libb.so', path: '/opt32/libb.so' },
];
const EXPECTED = new Map([
  ['liba.so.1', ['/lib/liba.so.1']],
  ['libb.so', ['/opt/libb.so', '/opt32/libb.so']],
]);

test("this machine's cache holds what ldconfig prints", async () => {
  const { stdout } = await execa('/sbin/ldconfig', ['-p']);
  const printed = stdout.split('\n').flatMap((line) => {
    const match = /^\t(\S+) \((.*)\) => (\S+)$/.exec(line);
    // Libraries for special processors are left out on purpose.
    return match && !/hwcap/.test(match[2] ?? '') ? [`${match[1]} ${match[3]}`] : [];
  });
  const cache = readLoaderCache('/etc/ld.so.cache') ?? new Map<string, string[]>();
  const ours = [...cache].flatMap(([name, paths]) => paths.map((path) => `${name} ${path}`));
  expect(printed.length).toBeGreaterThan(0);
  expect(ours.sort()).toEqual(printed.sort());
});

test.each([true, false])('little endian %s, in order, without special processors', (little) => {
  expect(parseLoaderCache(cacheBytes(ENTRIES, little))).toEqual(EXPECTED);
});

test('behind the table of the older format', () => {
  const old = Buffer.alloc(16 + 12);
  old.write('ld.so-1.7.0\0', 'latin1');
  old.writeUInt32LE(1, 12);
  expect(parseLoaderCache(Buffer.concat([old, Buffer.alloc(4), cacheBytes(ENTRIES)]))).toEqual(
    EXPECTED,
  );
});

describe('no cache', () => {
  test('missing', () => {
    expect(readLoaderCache(join(tempDir(), 'none'))).toBeUndefined();
  });

  test('every truncation', () => {
    const whole = cacheBytes(ENTRIES);
    for (let length = 0; length < whole.length; length += 1) {
      expect(parseLoaderCache(whole.subarray(0, length))).toBeUndefined();
    }
  });

  test('damage never throws', () => {
    const whole = cacheBytes(ENTRIES);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const bytes = Buffer.from(whole);
        bytes[at] = value;
        parseLoaderCache(bytes);
      }),
      { numRuns: 500 },
    );
  });
});
