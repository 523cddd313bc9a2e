/** Layers of images and shared caches: fetched once, unpacked, found again by their diffID. */

import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { UnpackThreads } from '../../fs/archive/unpack-threads.js';
import { createUnpackThreads } from '../../fs/archive/unpack-threads.js';
import { BlobDamagedError, ImageError } from '../../oci/image-error.js';
import { layerCompression } from '../../oci/media-types.js';
import type { ResolvedImage, ResolvedLayer } from '../../oci/resolved-image.js';
import { checkBytes } from '../../oci/tar/expansion-limit.js';
import { placeBlob, readTee, teeToFile } from '../../store/blobs/blobs.js';
import { publishFetchedLayer } from '../../store/entries/fetched-layers.js';
import { hasLayer, isPublished, layerByDiffId } from '../../store/layers/find-layers.js';
import {
  abandonDraft,
  beginDraft,
  clearPlace,
  discardDraft,
  emptyDraft,
  makeLayerLink,
  placeLayer,
} from '../../store/layers/layer-store.js';
import { isKnownLayer } from '../../store/layers/remote-layers.js';
import { releaseLease, takeLease } from '../../store/pins/lease.js';
import type { LayerId } from '../../store/records.js';
import { settleStep } from '../../store/recovery/durability.js';
import { checkpoint } from '../../util/checkpoint.js';
import { semaphore } from '../../util/semaphore.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import type { LookupSession } from '../build-session.js';
import type { TransferKind } from '../events.js';
import { unmetered } from '../transfers.js';

/** What fetching needs of a build. */
export type FetchSession = Pick<LookupSession, 'store' | 'signal' | 'meter'>;

/** The same, with threads that the layers are shared out among. */
export type SharedFetchSession = FetchSession & { readonly threads: UnpackThreads };

/** No honest layer holds more files. */
export const MAX_LAYER_ENTRIES = 20_000_000;

/** What is wrong with the bytes of a layer shows before its digest is known: which layer it was. */
function namingLayer(error: unknown, { descriptor: { digest } }: ResolvedLayer): unknown {
  if (!(error instanceof ImageError) || error.message.includes(digest)) return error;
  const { message, hint, registry, reference, status, location } = error;
  const isOfPlace = [registry, reference, status].some((known) => known !== undefined);
  const Named = isOfPlace ? ImageError : BlobDamagedError;
  return new Named(`layer ${digest}: ${message}`, {
    ...{ registry, reference, status, location },
    hint: hint ?? 'it is damaged, where it is kept or on the way: try again, or push it again',
    cause: error,
  });
}

async function fetchAndPublish(
  { store, threads, meter = unmetered }: SharedFetchSession,
  layer: ResolvedLayer,
  known: LayerId | undefined,
  what: TransferKind,
): Promise<LayerId> {
  const draft = beginDraft(store.paths, known);
  try {
    checkBytes(layer.descriptor.size, store.limits);
    const rootless = inUserNamespace();
    // The blob is kept as it came: pushing the image on must not give it another digest.
    const file = join(draft.path, 'blob');
    const { digest, size, mediaType } = layer.descriptor;
    const open = meter(what, digest, size, () => layer.open());
    const archive = Readable.from(teeToFile(await open(), file), { objectMode: false });
    const limits = { ...store.limits, maxEntries: MAX_LAYER_ENTRIES };
    const again = () => readTee(file);
    const source = { archive, again, clear: () => emptyDraft(draft) };
    const unpacked = await threads
      .unpack(source, draft.diff, { rootless, limits })
      .catch((error: unknown) => {
        throw namingLayer(error, layer);
      });
    if (unpacked.diffId !== layer.diffId) {
      throw new BlobDamagedError(
        `a layer has the diffID ${unpacked.diffId}, its image says ${layer.diffId}`,
        {
          hint: 'the image is damaged: push it again',
        },
      );
    }
    const compression = layerCompression(mediaType) ?? 'gzip';
    checkpoint('pull:unpacked');
    // A crash after a former rename leaves the directory of a name that is used again.
    if (known !== undefined) clearPlace(store.paths, known);
    placeLayer(store.paths, draft);
    makeLayerLink(store.paths, draft.id);
    const { diffId, newest, ...measures } = unpacked;
    const blob = { digest, size, diffId, compression, newest };
    await publishFetchedLayer(store, {
      diffId,
      id: draft.id,
      measures: { ...measures, blob },
      place: () => placeBlob(store, file, digest),
    });
    checkpoint('pull:published');
    discardDraft(draft);
    await settleStep(store);
    return draft.id;
  } catch (error) {
    abandonDraft(store.paths, draft, (id) => isPublished(store, id));
    throw error;
  }
}

/**
 * A layer with its files, fetched unless they are here. Several processes fetch it once.
 * @param id what entries call it; undefined: whatever the store calls it, if it knows it at all
 * @param what it is fetched for
 * @throws ImageError, NoSpaceError
 */
export async function fetchLayer(
  session: SharedFetchSession,
  layer: ResolvedLayer,
  id?: LayerId,
  what: TransferKind = 'pull',
): Promise<LayerId> {
  const { store } = session;
  const name = () => id ?? layerByDiffId(store, layer.diffId);
  const here = () => {
    const known = name();
    return known !== undefined && hasLayer(store, known) ? known : undefined;
  };
  const isDone = () => here() !== undefined;
  const lease = await takeLease(store, `pull:${layer.diffId}`, { signal: session.signal, isDone });
  try {
    const done = here();
    if (done !== undefined) return done;
    const known = name();
    const keepsName = known !== undefined && isKnownLayer(store, known);
    return await fetchAndPublish(session, layer, keepsName ? known : undefined, what);
  } finally {
    if (lease) releaseLease(store, lease);
  }
}

/** Each has buffers of some megabytes; docker fetches three at a time. */
const AT_ONCE = 6;

/**
 * Does something that fetches layers, several of them at once, in threads that end with it.
 * @param action gets what fetchLayer takes, and lets each layer wait until there is room for it; none may be under way
 *   when it ends
 */
export async function fetchingLayers<T>(
  session: FetchSession,
  action: (session: SharedFetchSession, slot: ReturnType<typeof semaphore>) => Promise<T>,
  atOnce = AT_ONCE,
): Promise<T> {
  const threads = createUnpackThreads();
  try {
    return await action({ ...session, threads }, semaphore(atOnce));
  } finally {
    threads.close();
  }
}

/** A layer, and what entries call it; see fetchLayer. */
export interface LayerToFetch {
  readonly layer: ResolvedLayer;
  readonly id?: LayerId;
}

/**
 * Fetches layers, so many at a time. When one fails, those that have begun end before the process does: a draft must
 * not stay behind.
 * @throws ImageError, NoSpaceError
 */
export async function fetchLayers(
  session: FetchSession,
  wanted: readonly LayerToFetch[],
  atOnce = AT_ONCE,
): Promise<LayerId[]> {
  let failure: { readonly error: unknown } | undefined;
  return fetchingLayers(
    session,
    async (shared, slot) => {
      const fetched = wanted.map(({ layer, id }) =>
        slot(async () => {
          if (failure) throw failure.error;
          try {
            return await fetchLayer(shared, layer, id);
          } catch (error) {
            failure ??= { error };
            throw error;
          }
        }),
      );
      await Promise.allSettled(fetched);
      return Promise.all(fetched);
    },
    atOnce,
  );
}

/**
 * The layers of an image with their files, bottom first; what the store lacks is fetched, several at a time.
 * @throws ImageError, NoSpaceError
 */
export function fetchImageLayers(
  session: FetchSession,
  { layers }: ResolvedImage,
): Promise<LayerId[]> {
  const wanted = layers.map((layer) => ({ layer }));
  return fetchLayers(session, wanted);
}
