/** What every writer of an OCI image layout needs for its index.json (image-spec image-layout.md). */

import { REF_NAME } from './layout-files.js';
import { DOCKER_CONFIG, OCI_CONFIG, OCI_INDEX } from './media-types.js';
import { isIndex, parseConfig, parseManifest } from './parse-manifest.js';
import type { Descriptor, Digest, ImageIndex } from './resolved-image.js';

/** Content of the file `oci-layout`. */
export const LAYOUT_MARKER = { imageLayoutVersion: '1.0.0' } as const;

/** An index.json that names no image yet. */
export const EMPTY_INDEX: ImageIndex = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };

/** Annotations of a descriptor, undefined ones left out. */
export type Annotations = Readonly<Record<string, string>>;

/**
 * The platform of an image whose config is in the layout.
 * @param readBlob reads the config
 * @returns nothing for indexes and artifacts
 * @throws ImageError
 */
export async function getPlatform(
  bytes: Uint8Array,
  mediaType: string,
  readBlob: (digest: Digest) => Promise<Uint8Array>,
  title: string,
): Promise<Pick<Descriptor, 'platform'>> {
  const manifest = parseManifest(bytes, mediaType, title);
  if (isIndex(manifest)) return {};
  // Artifacts have configs of their own, which say nothing of platforms.
  if (![OCI_CONFIG, DOCKER_CONFIG].includes(manifest.config.mediaType)) return {};
  const config = parseConfig(await readBlob(manifest.config.digest), title);
  const { os, architecture, variant } = config;
  return { platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } };
}

/** The entry of index.json that names an image. */
export function rootEntry(
  descriptor: Descriptor,
  name: string | undefined,
  annotations: Annotations = {},
): Descriptor {
  const all = { ...annotations, ...(name === undefined ? {} : { [REF_NAME]: name }) };
  return { ...descriptor, ...(Object.keys(all).length === 0 ? {} : { annotations: all }) };
}

/** index.json with a new entry; the name, or the same unnamed image, is there once. */
export function withEntry(index: ImageIndex, entry: Descriptor): ImageIndex {
  const name = entry.annotations?.[REF_NAME];
  const others = index.manifests.filter((other) => {
    const otherName = other.annotations?.[REF_NAME];
    return name === undefined
      ? otherName !== undefined || other.digest !== entry.digest
      : otherName !== name;
  });
  return { ...index, manifests: [...others, entry] };
}
