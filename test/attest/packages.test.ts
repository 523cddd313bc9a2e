/** Packages from the databases of dpkg and apk. */
import { describe, expect, test } from '@jest/globals';
import { parseApk, parseDpkg, parseOsId } from '../../src/attest/packages.js';

describe('parseDpkg', () => {
  const paragraph = (...lines: string[]) => `${lines.join('\n')}\n\n`;

  test('name, version, architecture and maintainer; continuation lines are no fields', () => {
    const text = paragraph(
      'Package: libc6',
      'Status: install ok installed',
      'Architecture: amd64',
      'Maintainer: GNU Libc Maintainers <a@b>',
      'Version: 2.36-9+deb12u4',
      'Description: GNU C Library',
      ' Version: 1 of a continuation line',
    );
    expect(parseDpkg(text)).toEqual([
      {
        manager: 'dpkg',
        name: 'libc6',
        version: '2.36-9+deb12u4',
        architecture: 'amd64',
        license: undefined,
        supplier: 'GNU Libc Maintainers <a@b>',
      },
    ]);
  });

  test.each([
    ['install ok installed', 1],
    ['hold ok installed', 1],
    ['deinstall ok config-files', 0],
    ['install ok half-installed', 0],
    ['install ok unpacked', 0],
  ])('Status: %s', (status, count) => {
    const text = paragraph('Package: a', `Status: ${status}`, 'Version: 1');
    expect(parseDpkg(text)).toHaveLength(count);
  });

  test('a file of status.d has no Status', () => {
    expect(parseDpkg('Package: base-files\nVersion: 12\n')).toMatchObject([
      { name: 'base-files', architecture: 'all' },
    ]);
  });

  test('a paragraph without a version is no package', () => {
    expect(parseDpkg('Package: a\n\nVersion: 1\n\nPackage: b\nVersion: 1')).toMatchObject([
      { name: 'b' },
    ]);
  });
});

test('parseApk: packages with their licenses', () => {
  const text =
    'C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\nm:Timo <t@a>\nF:lib\nR:ld.so\n\nP:broken\n\nP:b\nV:1\n';
  expect(parseApk(text)).toEqual([
    {
      manager: 'apk',
      name: 'musl',
      version: '1.2.4-r2',
      architecture: 'x86_64',
      license: 'MIT',
      supplier: 'Timo <t@a>',
    },
    {
      manager: 'apk',
      name: 'b',
      version: '1',
      architecture: 'noarch',
      license: undefined,
      supplier: undefined,
    },
  ]);
});

test.each([
  ['NAME="Debian"\nID=debian\nVERSION_ID="12"\n', 'debian'],
  ['ID="opensuse-leap"\n', 'opensuse-leap'],
  ["ID='alpine'", 'alpine'],
  ['VERSION_ID=12\nID_LIKE=debian\n', undefined],
])('parseOsId %j', (text, id) => {
  expect(parseOsId(text)).toBe(id);
});
