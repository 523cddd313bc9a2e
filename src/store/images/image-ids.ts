/**
 * What people call the id of an image: the digest of its config, as with docker and podman. It
 * takes the diffIDs of the layers, for which layers are read only when a command needs the id.
 */

import { getDigest } from '../../oci/blob-digest.js';
import { configBytes } from '../../oci/config-blob.js';
import { DEFAULT_FORM, knownBlob, withTimes } from '../blobs/blobs.js';
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { ArchiveRecord, ImageRecord, ImageTimes, LayerId } from '../records.js';
import { ownLayers } from './own-layers.js';

/** diffID and time of a layer for an image's config; undefined until a command has asked for them. */
export function knownArchive(
  store: Indexed,
  id: LayerId,
  times?: ImageTimes,
): Pick<ArchiveRecord, 'diffId'> | undefined {
  const { layers } = getTables(store);
  const layer = layers.get(id);
  if (times !== undefined) return knownBlob(layer, withTimes(DEFAULT_FORM, times));
  return layer?.blob ?? layer?.archive;
}

/** The id of an image, `sha256:...`; undefined when diffIDs of its layers are not known yet. */
export function knownImageId(store: Indexed, image: ImageRecord): string | undefined {
  if (image.original) return getDigest(image.original.config);
  const own = image.times && ownLayers(store, image);
  const archives = image.layers.flatMap(
    (id, at) => knownArchive(store, id, own?.[at] ? image.times : undefined) ?? [],
  );
  if (archives.length < image.layers.length) return undefined;
  return getDigest(configBytes(image, archives, image.times?.seconds ?? image.epoch));
}

/** Fewest digits of an id that are one. */
const FEWEST_DIGITS = 3;

/** What may be an id or its beginning, as `sha256:...`. */
export function idStart(text: string, fewest = FEWEST_DIGITS): string | undefined {
  const digits = text.replace(/^sha256:/, '');
  const isId = /^[0-9a-f]{1,64}$/.test(digits) && digits.length >= fewest;
  return isId ? `sha256:${digits}` : undefined;
}

/**
 * The images whose id, as far as it is known, is or begins with `sha256:...`. Several of one id differ in
 * what no config says: one was built here, another one pulled, a third one came in other blobs.
 */
export function imagesWithId(
  store: Indexed,
  start: string,
): { readonly id: string; readonly image: ImageRecord }[] {
  return [...getTables(store).images.getRange()].flatMap(({ value: image }) => {
    const id = knownImageId(store, image);
    return id?.startsWith(start) ? [{ id, image }] : [];
  });
}

/** The images that were pulled by the manifest or the index of this digest. */
export function imagesWithManifest(store: Indexed, digest: string): ImageRecord[] {
  return [...getTables(store).images.getRange()].flatMap(({ value: image }) =>
    image.manifest === digest || image.index === digest ? [image] : [],
  );
}
