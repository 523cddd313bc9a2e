/** Reads a shared cache: its entries at once, its layers when a step opens them. */
import type { KeyObject } from 'node:crypto';
import type { Artifact, Artifacts } from '../oci/artifact.js';
import { ImageError } from '../oci/image-error.js';
import { OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from '../oci/media-types.js';
import { parseConfig } from '../oci/parse-manifest.js';
import { pairLayers } from '../oci/resolve.js';
import type { Descriptor, ResolvedLayer } from '../oci/resolved-image.js';
import { CACHE_CONFIG, SIGNATURE_ANNOTATION } from './cache-media-types.js';
import type { EntryList, ListedBlob } from './entry-list.js';
import { parseInline } from './inline.js';
import { mergeLists } from './merge-lists.js';
import { parseList } from './parse-list.js';
import { checkSignature } from './signature.js';

/** Some ten thousand entries; a longer list is damaged or hostile. */
export const MAX_LIST_BYTES = 64 * 1024 * 1024;

/** A list of entries and the layers that its place has. */
export interface ReadCache {
  readonly list: EntryList;
  readonly layers: readonly ResolvedLayer[];
  /** Opens a blob of a cache mount, verified while it is read. @throws ImageError */
  readonly openBlob: Artifact['openBlob'];
}

const LAYER_TYPES = { none: OCI_LAYER, gzip: OCI_LAYER_GZIP, zstd: OCI_LAYER_ZSTD } as const;

/** The descriptor of a layer's blob. */
export function blobDescriptor({ digest, size, compression }: ListedBlob): Descriptor {
  return { mediaType: LAYER_TYPES[compression], digest, size };
}

/**
 * Reads what artifacts hold: a cache, or images with their caches inside, one for each platform.
 * @param trusted see checkSignature
 * @throws ImageError
 */
export function readCache(artifacts: Artifacts, trusted: readonly KeyObject[]): ReadCache {
  const found = artifacts.flatMap((artifact) => readOne(artifact, trusted) ?? []);
  const [first, ...others] = found;
  const [{ title }] = artifacts;
  if (!first)
    throw new ImageError(`${title} is neither a cache nor an image with an inline cache`, {
      reference: title,
      hint: 'write one with wiac build --cache-to',
    });
  if (others.length === 0) return first;
  const list = others.reduce((all, other) => mergeLists(all, other.list), first.list);
  return { list, layers: found.flatMap(({ layers }) => layers), openBlob: first.openBlob };
}

/** @returns undefined for an image without a cache */
function readOne(artifact: Artifact, trusted: readonly KeyObject[]): ReadCache | undefined {
  const { manifest, configBytes, title, openBlob } = artifact;
  if (manifest.config.mediaType === CACHE_CONFIG) {
    checkSignature(configBytes, manifest.annotations?.[SIGNATURE_ANNOTATION], trusted, title);
    const list = parseList(configBytes, title);
    const layers = list.layers.flatMap(({ diffId, newest, blob }) => {
      if (blob === undefined) return [];
      const descriptor = blobDescriptor(blob);
      return [{ descriptor, diffId, newest, open: () => openBlob(descriptor) }];
    });
    return { list, layers, openBlob };
  }
  const config = parseConfig(configBytes, title);
  const inline = parseInline(config);
  if (inline === undefined) return undefined;
  checkSignature(inline.bytes, inline.signature, trusted, title);
  const layers = pairLayers(manifest.layers, config.rootfs.diff_ids, title);
  const list = parseList(inline.bytes, title);
  const newest = new Map(list.layers.map((layer) => [layer.diffId, layer.newest]));
  return {
    list,
    layers: layers.map((layer) => ({
      ...layer,
      newest: newest.get(layer.diffId),
      open: () => openBlob(layer.descriptor),
    })),
    openBlob,
  };
}
