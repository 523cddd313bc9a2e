/** Configs and attestations of an image in a registry, for `wiac imagetools inspect --format`. */

import {
  attestationFor,
  isProvenance,
  isSbom,
  readStatements,
} from '../attest/read-attestations.js';
import { parseForeignJson } from '../oci/foreign-json.js';
import { isIndex, parseManifest } from '../oci/parse-manifest.js';
import { formatPlatform, isAttestation } from '../oci/platform.js';
import type { BlobReader } from '../oci/resolve.js';
import { checkJsonSize, collect } from '../oci/resolve.js';
import type { Descriptor, ImageManifest } from '../oci/resolved-image.js';
import type { Named } from './describe-manifest.js';

/** What a template can ask for. */
export interface Details {
  readonly Image: unknown;
  readonly Provenance: unknown;
  readonly SBOM: unknown;
}

async function readJson(reader: BlobReader, blob: Descriptor, limit: number): Promise<unknown> {
  const title = `${blob.digest} of ${reader.title}`;
  return parseForeignJson(await collect(await reader.openBlob(blob), limit, title), title);
}

async function manifestFor(
  reader: BlobReader,
  child: Descriptor,
): Promise<ImageManifest | undefined> {
  checkJsonSize(child, `manifest of ${reader.title}`);
  const bytes = await reader.readManifest(child);
  const manifest = parseManifest(bytes, child.mediaType, reader.title);
  return isIndex(manifest) ? undefined : manifest;
}

/** Of an index by platform, of one image alone the value itself, as buildx has it. */
function byPlatform(values: readonly (readonly [string, unknown])[]): unknown {
  const present = values.filter(([, value]) => value !== undefined);
  return present.length <= 1 ? (present[0]?.[1] ?? null) : Object.fromEntries(present);
}

async function getImages(reader: BlobReader, { manifest }: Named): Promise<unknown> {
  const config = (own: ImageManifest) => {
    checkJsonSize(own.config, `config of ${reader.title}`);
    return readJson(reader, own.config, own.config.size);
  };
  if (!isIndex(manifest)) return config(manifest);
  const values: [string, unknown][] = [];
  for (const child of manifest.manifests) {
    if (isAttestation(child) || !child.platform) continue;
    const own = await manifestFor(reader, child);
    if (own) values.push([formatPlatform(child.platform), await config(own)]);
  }
  return byPlatform(values);
}

async function getAttestations(
  reader: BlobReader,
  { manifest }: Named,
  isWanted: (predicateType: string) => boolean,
  wrap: (predicate: unknown) => unknown,
): Promise<unknown> {
  if (!isIndex(manifest)) return null;
  const values: [string, unknown][] = [];
  for (const child of manifest.manifests) {
    if (isAttestation(child) || !child.platform) continue;
    const attestation = attestationFor(manifest, child);
    const [found] = attestation ? await readStatements(reader, attestation, child, isWanted) : [];
    values.push([formatPlatform(child.platform), found && wrap(found.predicate)]);
  }
  return byPlatform(values);
}

/**
 * Reads what a template mentions; the rest is null.
 * @throws ImageError
 */
export async function getDetails(
  reader: BlobReader,
  named: Named,
  mentions: (field: keyof Details) => boolean,
): Promise<Details> {
  return {
    Image: mentions('Image') ? await getImages(reader, named) : null,
    Provenance: mentions('Provenance')
      ? await getAttestations(reader, named, isProvenance, (SLSA) => ({ SLSA }))
      : null,
    SBOM: mentions('SBOM')
      ? await getAttestations(reader, named, isSbom, (SPDX) => ({ SPDX }))
      : null,
  };
}
