/** Packages of SBOMs of strangers, the order of versions, and what two lists differ in. */
import { describe, expect, test } from '@jest/globals';
import { comparePackages } from '../../src/attest/compare-packages.js';
import { describeProvenance } from '../../src/attest/describe-provenance.js';
import { compareApk, compareDebian } from '../../src/attest/package-versions.js';
import { type ListedPackage, spdxPackages } from '../../src/attest/spdx-packages.js';

/** Rising, by the manuals of dpkg and apk. */
const DEBIAN = [
  '0~~',
  '0~~a',
  '0~',
  '0',
  '0.9',
  '1.0~beta1~svn1245',
  '1.0~beta1',
  '1.0~rc1-1',
  '1.0-1',
  '1.0-1+b1',
  '1.0-1.1',
  '1.0-2',
  '1.0-10',
  '1.0a-1',
  '1.0+dfsg-1',
  '1.2',
  '1.10',
  '99999999999999999999998',
  '99999999999999999999999',
  '1:0.1',
  '2:0',
];
const APK = [
  '1.0_alpha',
  '1.0_alpha2',
  '1.0_beta',
  '1.0_pre1',
  '1.0_rc1',
  '1.0',
  '1.0-r1',
  '1.0-r10',
  '1.0_git20200101',
  '1.0_p1',
  '1.0_p1-r2',
  '1.0a',
  '1.0b',
  '1.0.1',
  '1.0.10',
  '1.1',
  '1.9',
  '1.10',
  '2',
  '20200101',
];

test.each([
  ['dpkg', DEBIAN, compareDebian],
  ['apk', APK, compareApk],
])('%s: each version is older than the next ones, and as old as itself', (_, versions, compare) => {
  for (const [at, version] of versions.entries()) {
    expect({ version, order: compare(version, version) }).toEqual({ version, order: 0 });
    for (const later of versions.slice(at + 1)) {
      const orders = [Math.sign(compare(version, later)), Math.sign(compare(later, version))];
      expect({ version, later, orders }).toEqual({ version, later, orders: [-1, 1] });
    }
  }
});

test('versions that mean the same', () => {
  expect(compareDebian('1.0', '0:1.00')).toBe(0);
  expect(compareDebian('1.0', '1.0-0')).toBe(0);
  // A leading zero makes it a fraction.
  expect(compareApk('1.02', '1.1')).toBeLessThan(0);
});

test('versions of strangers take no time', () => {
  const long = `${'1'.repeat(100_000)}.${'~a'.repeat(50_000)}`;
  expect(compareDebian(long, `${long}1`)).not.toBe(0);
  expect(compareApk(long, long)).toBe(0);
});

const item = (name: string, version: string, more: Partial<ListedPackage> = {}): ListedPackage => ({
  ...{ type: 'deb', architecture: 'amd64', license: '' },
  ...{ name, version },
  ...more,
});

describe('comparePackages', () => {
  const changes = (before: ListedPackage[], after: ListedPackage[]) =>
    comparePackages(before, after).map(({ change, name, before: old = '', after: now = '' }) =>
      [change, name, old, now].join(' '),
    );

  test('added, removed, upgraded, downgraded, and what nobody can order', () => {
    const npm = { type: 'npm' };
    expect(
      changes(
        [item('a', '1'), item('b', '1.9'), item('c', '2~1'), item('d', '1'), item('e', '1', npm)],
        [item('b', '1.10'), item('c', '2~'), item('d', '1'), item('e', '2', npm), item('f', '1')],
      ),
    ).toEqual([
      'removed a 1 ',
      'upgraded b 1.9 1.10',
      'downgraded c 2~1 2~',
      'changed e 1 2',
      'added f  1',
    ]);
  });

  test('several versions of one, other machines, and other managers with the same names', () => {
    expect(
      changes(
        [
          ...[item('kernel', '1'), item('kernel', '2'), item('twice', '1'), item('twice', '1')],
          ...[item('x', '1'), item('y', '1')],
        ],
        [
          ...[item('kernel', '2'), item('kernel', '3'), item('kernel', '4'), item('twice', '1')],
          ...[item('x', '1', { architecture: 'arm64' }), item('y', '1', { type: 'apk' })],
        ],
      ),
    ).toEqual([
      'removed kernel 1 ',
      'added kernel  3',
      'added kernel  4',
      'removed twice 1 ',
      'added y  1',
      'removed y 1 ',
    ]);
  });

  test('names that are members of every object', () => {
    expect(changes([], [item('__proto__', '1'), item('constructor', '1')])).toEqual([
      'added __proto__  1',
      'added constructor  1',
    ]);
  });
});

test('SPDX: packages with type, machine and license; nothing else, whatever is in it', () => {
  const purl = (locator: unknown) => [{ referenceType: 'purl', referenceLocator: locator }];
  const document = {
    packages: [
      { name: 'image', primaryPackagePurpose: 'CONTAINER' },
      {
        ...{ name: 'curl', versionInfo: '1.0', licenseDeclared: 'MIT' },
        externalRefs: [{ referenceType: 'cpe' }, ...purl('pkg:deb/debian/curl@1.0?arch=arm64&x=y')],
      },
      { name: 'bad\u001b[31m\nname', versionInfo: 7, licenseDeclared: 'NOASSERTION' },
      ...[null, 'text', {}, { name: 3 }, { name: 'n', externalRefs: 'no' }],
      { name: 'm', externalRefs: purl({}) },
    ],
  };
  const none = { type: '', version: '', architecture: '', license: '' };
  expect(spdxPackages(document)).toEqual([
    { type: 'deb', name: 'curl', version: '1.0', architecture: 'arm64', license: 'MIT' },
    { ...none, name: 'bad [31m name' },
    { ...none, name: 'n' },
    { ...none, name: 'm' },
  ]);
  for (const value of [undefined, null, [], 'x', { packages: 'x' }])
    expect(spdxPackages(value)).toEqual([]);
});

test('provenance in words: SLSA v1, v0.2, and what is neither', () => {
  const v02 = {
    builder: { id: 'https://github.com/x/y' },
    buildType: 'https://mobyproject.org/buildkit@v1',
    invocation: {
      configSource: { uri: 'https://x/y.git', digest: { sha1: 'ab' }, entryPoint: 'Dockerfile' },
      parameters: { args: { target: 'a\nb' } },
    },
    materials: [{ uri: 'pkg:docker/debian', digest: { sha256: 'cd' } }, 7],
    metadata: { buildStartedOn: '2026', buildFinishedOn: '2027', completeness: {} },
  };
  expect(describeProvenance(v02)).toEqual([
    ['builder', 'https://github.com/x/y'],
    ['build type', 'https://mobyproject.org/buildkit@v1'],
    ['started', '2026'],
    ['finished', '2027'],
    ['source', 'https://x/y.git Dockerfile'],
    ['source digest', 'sha1:ab'],
    ['argument target', 'a b'],
    ['input', 'pkg:docker/debian sha256:cd'],
    ['input', ''],
  ]);
  const v1 = {
    buildDefinition: {
      buildType: '\u001b]0;title',
      externalParameters: { configSource: { path: 'Dockerfile' }, request: { args: 3 } },
      resolvedDependencies: 'no list',
    },
    runDetails: { builder: { id: 7 }, metadata: { buildkit_hermetic: true } },
  };
  expect(describeProvenance(v1)).toEqual([
    ['builder', '7'],
    ['build type', ' ]0;title'],
    ['hermetic', 'true'],
    ['source', 'Dockerfile'],
  ]);
  for (const value of [undefined, null, 7, []]) expect(describeProvenance(value)).toEqual([]);
});
