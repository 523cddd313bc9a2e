/** The packages that an SPDX 2 document of a stranger lists. Pure. */
import type { InstalledPackage } from './packages.js';

/** A package, by whatever manager. */
export interface ListedPackage {
  /** Of its package URL: `deb`, `apk`, `npm`; empty when it has none. */
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly license: string;
}

type Members = Readonly<Record<string, unknown>>;

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null ? (value as Members) : {};
}

function list(value: unknown): Members[] {
  return Array.isArray(value) ? value.map(members) : [];
}

/** Text of a stranger, for a terminal: one line without control characters. */
function plain(value: unknown): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return typeof value === 'string' ? value.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ') : '';
}

/** The package URL, which says what kind of package it is (purl-spec). */
function getPurl({ externalRefs }: Members): string {
  const found = list(externalRefs).find(({ referenceType }) => referenceType === 'purl');
  return plain(found?.referenceLocator);
}

function read(item: Members): ListedPackage {
  const purl = getPurl(item);
  const [, type = ''] = /^pkg:([A-Za-z0-9.+-]+)\//.exec(purl) ?? [];
  const [, architecture = ''] = /[?&]arch=([^&#]+)/.exec(purl) ?? [];
  const license = plain(item.licenseDeclared);
  return {
    type: type.toLowerCase(),
    name: plain(item.name),
    version: plain(item.versionInfo),
    architecture,
    license: /^NO(?:ASSERTION|NE)$/.test(license) ? '' : license,
  };
}

/** @param document the predicate; what is no package in it is left out */
export function spdxPackages(document: unknown): ListedPackage[] {
  const packages = list(members(document).packages);
  // The image itself, or what a scanner stands for it.
  const isImage = ({ primaryPackagePurpose }: Members) => primaryPackagePurpose === 'CONTAINER';
  return packages
    .filter((item) => !isImage(item))
    .map(read)
    .filter(({ name }) => name !== '');
}

/** What dpkg and apk have installed, in the same form. */
export function listedPackage(item: InstalledPackage): ListedPackage {
  const { manager, name, version, architecture, license = '' } = item;
  return { type: manager === 'dpkg' ? 'deb' : 'apk', name, version, architecture, license };
}
