/** Layers of a result that are not fetched, because the registries that it goes to have them. */
import { layerCompression } from '../../oci/media-types.js';
import type { Descriptor } from '../../oci/resolved-image.js';
import { findRemoteLayer, hasLayer } from '../../store/layers/find-layers.js';
import type { BlobRecord, LayerId } from '../../store/records.js';
import type { LayerSession } from './needed-layers.js';
import { usableOrigin } from './needed-layers.js';

/** A blob, and where it is. */
export interface RemoteBlob {
  readonly descriptor: Descriptor;
  /** Reference of a cache in a registry that has it. */
  readonly registry: string | undefined;
}

/** Where the result of a build goes: to registries alone. */
export interface Destination {
  /**
   * Has it these blobs, so that a manifest may name them? Blobs that its registry has in another repository become
   * those of its own.
   */
  readonly hasAll: (blobs: readonly RemoteBlob[]) => Promise<boolean>;
}

/** The blobs of layers that are not here. */
export type Elsewhere = ReadonlyMap<LayerId, BlobRecord>;

const NOTHING: Elsewhere = new Map();

/** What an image says of a layer; undefined when only its files tell. */
function describe(
  { store, origins }: LayerSession,
  id: LayerId,
  otherwise: string | undefined,
): { readonly record: BlobRecord; readonly blob: RemoteBlob } | undefined {
  const remote = findRemoteLayer(store, id);
  const origin = remote && usableOrigin(origins, remote.diffId);
  if (!origin) return undefined;
  const { layer, registry, ofBase = false } = origin;
  const { descriptor, diffId, newest } = layer;
  const compression = layerCompression(descriptor.mediaType);
  // The time of a layer that a step has made is that of the image; of one of a base image it is not.
  if (compression === undefined || (newest === undefined && !ofBase)) return undefined;
  // Pushed from here it would be packed with gzip.
  if (!ofBase && compression !== 'gzip') return undefined;
  const { digest, size } = descriptor;
  const times = newest === undefined ? {} : { newest };
  return {
    record: { digest, size, diffId, compression, ...times },
    blob: { descriptor, registry: registry ?? otherwise },
  };
}

/**
 * The layers that need not come here. All or none: those that the destination lacks have to come, and with
 * them the result is complete.
 * @param passedThrough reference in a registry that layers of base images may have got to on their way to workers
 */
export async function findElsewhere(
  session: LayerSession,
  layers: readonly LayerId[],
  destination: Destination | undefined,
  passedThrough?: string,
): Promise<Elsewhere> {
  const absent = [...new Set(layers)].filter((id) => !hasLayer(session.store, id));
  if (!destination || absent.length === 0) return NOTHING;
  const known = new Map<LayerId, BlobRecord>();
  const blobs: RemoteBlob[] = [];
  for (const id of absent) {
    const described = describe(session, id, passedThrough);
    if (!described) return NOTHING;
    known.set(id, described.record);
    blobs.push(described.blob);
  }
  return (await destination.hasAll(blobs)) ? known : NOTHING;
}
