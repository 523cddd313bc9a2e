/**
 * What packages an image holds, as SPDX 2.3 (spdx.github.io/spdx-spec/v2.3). Only what dpkg and apk
 * say they have installed: what was copied or compiled is not in it, and it does not claim to be.
 */

import type { Stack } from '../fs/layer/stack.js';
import { listDirectory, resolve } from '../fs/layer/stack.js';
import { readTextBelow } from '../fs/read.js';
import type { Descriptor } from '../oci/resolved-image.js';
import type { InstalledPackage } from './packages.js';
import { parseApk, parseDpkg, parseOsId } from './packages.js';

export const SBOM_TYPE = 'https://spdx.dev/Document';

function readText(stack: Stack, path: string): string | undefined {
  const entry = resolve(stack, path)?.entry;
  return entry?.stats.isFile() ? readTextBelow(entry.root, entry.path) : undefined;
}

/** The packages of the merged tree, sorted. */
export function installedPackages(stack: Stack): InstalledPackage[] {
  const distroless = resolve(stack, 'var/lib/dpkg/status.d');
  const parts = distroless?.entry?.stats.isDirectory()
    ? listDirectory(stack, distroless.path).filter(({ name }) => !name.endsWith('.md5sums'))
    : [];
  const dpkg = [
    readText(stack, 'var/lib/dpkg/status') ?? '',
    ...parts.map(({ name }) => readText(stack, `${distroless?.path}/${name}`) ?? ''),
  ];
  const apk =
    readText(stack, 'lib/apk/db/installed') ?? readText(stack, 'usr/lib/apk/db/installed');
  const key = ({ manager, name, version, architecture }: InstalledPackage) =>
    [manager, name, version, architecture].join(' ');
  return [...dpkg.flatMap(parseDpkg), ...parseApk(apk ?? '')].sort((a, b) =>
    key(a) < key(b) ? -1 : 1,
  );
}

function purl(item: InstalledPackage, distribution: string): string {
  const type = item.manager === 'dpkg' ? 'deb' : 'apk';
  const part = encodeURIComponent;
  return `pkg:${type}/${distribution}/${part(item.name)}@${part(item.version)}?arch=${part(item.architecture)}`;
}

function spdxPackage(item: InstalledPackage, id: string, distribution: string) {
  const { name, version, license, supplier } = item;
  return {
    SPDXID: id,
    name,
    versionInfo: version,
    supplier: supplier === undefined ? 'NOASSERTION' : `Organization: ${supplier}`,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    // A license that is no SPDX expression would make the document invalid; most of apk's are one.
    licenseDeclared: license !== undefined && /^[\w.+-]+$/.test(license) ? license : 'NOASSERTION',
    copyrightText: 'NOASSERTION',
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: purl(item, distribution),
      },
    ],
  };
}

/**
 * The predicate of an image's SBOM.
 * @param created when, for the document; images that are to be reproducible give their own time
 */
export function sbom(
  stack: Stack,
  manifest: Descriptor,
  name: string,
  created: Date,
  version: string,
): unknown {
  const packages = installedPackages(stack);
  const osRelease =
    readText(stack, 'etc/os-release') ?? readText(stack, 'usr/lib/os-release') ?? '';
  const ids = packages.map((_, index) => `SPDXRef-Package-${index + 1}`);
  const getDistribution = ({ manager }: InstalledPackage) =>
    parseOsId(osRelease) ?? (manager === 'dpkg' ? 'debian' : 'alpine');
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `urn:wiac:sbom:${manifest.digest}`,
    creationInfo: {
      created: created.toISOString().replace(/\.\d+Z$/, 'Z'),
      creators: [`Tool: wiac-${version}`],
    },
    packages: [
      {
        SPDXID: 'SPDXRef-Image',
        name,
        versionInfo: manifest.digest,
        downloadLocation: 'NOASSERTION',
        filesAnalyzed: false,
        licenseConcluded: 'NOASSERTION',
        licenseDeclared: 'NOASSERTION',
        copyrightText: 'NOASSERTION',
        primaryPackagePurpose: 'CONTAINER',
      },
      ...packages.map((item, index) => spdxPackage(item, ids[index] ?? '', getDistribution(item))),
    ],
    relationships: [
      {
        spdxElementId: 'SPDXRef-DOCUMENT',
        relationshipType: 'DESCRIBES',
        relatedSpdxElement: 'SPDXRef-Image',
      },
      ...ids.map((id) => ({
        spdxElementId: 'SPDXRef-Image',
        relationshipType: 'CONTAINS',
        relatedSpdxElement: id,
      })),
    ],
  };
}
