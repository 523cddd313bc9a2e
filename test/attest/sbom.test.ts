/** The packages of an image, from the files of its layers. */
import { expect, test } from '@jest/globals';
import { installedPackages, sbom } from '../../src/attest/sbom.js';
import type { Digest } from '../../src/oci/resolved-image.js';
import { tempDir, writeTree } from '../support/wiac.js';

const MANIFEST = { mediaType: 'm', digest: `sha256:${'a'.repeat(64)}` as Digest, size: 1 };

function getStack(...layers: Record<string, string>[]) {
  return layers.map((files) => {
    const path = tempDir();
    writeTree(path, files);
    return { path, opaque: new Set<string>() };
  });
}

const dpkg = (...names: string[]) =>
  names.map((name) => `Package: ${name}\nStatus: install ok installed\nVersion: 1\n`).join('\n');

test('the database of the topmost layer counts', () => {
  const stack = getStack(
    { 'var/lib/dpkg/status': dpkg('b', 'a') },
    { 'var/lib/dpkg/status': dpkg('old') },
  );
  expect(installedPackages(stack).map(({ name }) => name)).toEqual(['a', 'b']);
});

test('distroless images have a file a package, and checksums beside them', () => {
  const stack = getStack({
    'var/lib/dpkg/status.d/base': 'Package: base\nVersion: 1\n',
    'var/lib/dpkg/status.d/base.md5sums': 'Package: wrong\nVersion: 1\n',
    'lib/apk/db/installed': 'P:musl\nV:2\n',
  });
  expect(installedPackages(stack).map(({ manager, name }) => [manager, name])).toEqual([
    ['apk', 'musl'],
    ['dpkg', 'base'],
  ]);
});

test('the document names the image, its packages and their distribution', () => {
  const stack = getStack({
    'lib/apk/db/installed': 'P:a\nV:1\nL:MIT\n\nP:b\nV:1\nL:GPL-2.0-or-later AND MIT\n',
    'etc/os-release': 'ID=wolfi\n',
  });
  const document = sbom(stack, MANIFEST, 'image', new Date(1000), '1.2.3');
  expect(document).toMatchObject({
    spdxVersion: 'SPDX-2.3',
    documentNamespace: `urn:wiac:sbom:${MANIFEST.digest}`,
    creationInfo: { created: '1970-01-01T00:00:01Z', creators: ['Tool: wiac-1.2.3'] },
    packages: [
      { SPDXID: 'SPDXRef-Image', versionInfo: MANIFEST.digest },
      {
        SPDXID: 'SPDXRef-Package-1',
        licenseDeclared: 'MIT',
        externalRefs: [{ referenceLocator: 'pkg:apk/wolfi/a@1?arch=noarch' }],
      },
      // A compound license is not checked, so it is not declared.
      { SPDXID: 'SPDXRef-Package-2', licenseDeclared: 'NOASSERTION' },
    ],
    relationships: [
      { relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-Image' },
      { relationshipType: 'CONTAINS', relatedSpdxElement: 'SPDXRef-Package-1' },
      { relationshipType: 'CONTAINS', relatedSpdxElement: 'SPDXRef-Package-2' },
    ],
  });
});

test('an image without a database has no packages', () => {
  expect(installedPackages(getStack({ 'bin/sh': '' }))).toEqual([]);
});
