/** Layers as blobs: packed here, or passed on from where they can be fetched without unpacking them. */
import { createReadStream } from 'node:fs';
import type { BlobLayer } from '../executor/executor.js';
import { ImageError } from '../oci/image-error.js';
import { layerCompression } from '../oci/media-types.js';
import type { Digest, OpenBlob } from '../oci/resolved-image.js';
import type { ListedBlob } from '../shared-cache/entry-list.js';
import { isBlobGone } from '../shared-cache/places.js';
import { blobDescriptor } from '../shared-cache/read-cache.js';
import { DEFAULT_FORM } from '../store/blobs/blobs.js';
import { findLayer, findRemoteLayer, hasLayer } from '../store/layers/find-layers.js';
import type { LayerId } from '../store/records.js';
import type { LayerReading } from './build-session.js';
import { getBlob } from './exports/export-layers.js';
import {
  isDamagedThere,
  type LayerOrigin,
  MissingLayersError,
  usableOrigin,
} from './images/needed-layers.js';

/** A layer's blob. */
export interface LayerBlob {
  readonly listed: ListedBlob;
  readonly diffId: Digest;
  readonly newest: number | undefined;
  readonly open: OpenBlob;
  /** See OutgoingLayer. */
  readonly isLost?: () => boolean;
  /** See OutgoingLayer. */
  readonly replaces?: true;
}

/**
 * A layer that is not here, from where it can be had. Who sends it to another place has wrapped the error when it
 * comes back: what the cache said is noted here.
 */
function passedOn({ layer, reportFailure }: LayerOrigin): Pick<LayerBlob, 'open' | 'isLost'> {
  let failure: ImageError | undefined;
  const note = (error: unknown): void => {
    if (error instanceof ImageError) failure = error;
  };
  return {
    open: async () => {
      failure = undefined;
      try {
        return (await layer.open()).once('error', note);
      } catch (error) {
        note(error);
        throw error;
      }
    },
    isLost: () => {
      // Nothing needs it now, and places remove what is old: that alone is worth no warning.
      if (failure && !isBlobGone(failure)) reportFailure(failure);
      return failure !== undefined;
    },
  };
}

/** @returns undefined when the layer is nowhere any more */
export async function blobFor(
  { store, origins, scratch, signal }: LayerReading,
  id: LayerId,
  compression: 'gzip' | 'zstd',
): Promise<LayerBlob | undefined> {
  if (hasLayer(store, id)) {
    const form = { ...DEFAULT_FORM, compression };
    const { record, path } = await getBlob(store, id, form, scratch(), signal);
    const { digest, size, diffId, newest, compression: is } = record;
    return {
      ...(isDamagedThere(origins, record) ? { replaces: true } : {}),
      listed: { digest: digest as Digest, size, compression: is },
      diffId: diffId as Digest,
      newest,
      open: () => createReadStream(path),
    };
  }
  const diffId = findRemoteLayer(store, id)?.diffId;
  const origin = diffId === undefined ? undefined : usableOrigin(origins, diffId);
  if (!origin) return undefined;
  const { digest, size, mediaType } = origin.layer.descriptor;
  return {
    listed: { digest, size, compression: layerCompression(mediaType) ?? 'gzip' },
    diffId: origin.layer.diffId,
    newest: origin.layer.newest,
    ...passedOn(origin),
  };
}

/** A layer as it travels. @throws MissingLayersError when it is nowhere any more */
export async function openLayerBlob(
  session: LayerReading,
  id: LayerId,
): Promise<{ readonly layer: BlobLayer; readonly open: OpenBlob }> {
  const blob = await blobFor(session, id, 'gzip');
  if (!blob) throw new MissingLayersError([id]);
  const { listed, diffId, newest, open } = blob;
  const { digest } = findLayer(session.store, id) ?? findRemoteLayer(session.store, id) ?? {};
  return { layer: { diffId, descriptor: blobDescriptor(listed), digest, newest }, open };
}
