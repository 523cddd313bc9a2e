/** Layers of base images: pulled once, unpacked, found again by their diffID. */

import { join } from 'node:path';
import { Readable } from 'node:stream';
import { placeBlob, teeToFile } from '../cache/blobs.js';
import { settleStep } from '../cache/durability.js';
import { publishBaseLayer } from '../cache/entries.js';
import { abandonDraft, beginDraft, discardDraft, placeLayer } from '../cache/layer-store.js';
import { releaseLease, tryLease } from '../cache/lease.js';
import type { LayerId } from '../cache/records.js';
import { checkpoint } from '../checkpoint.js';
import { inUserNamespace } from '../exec/overlay.js';
import { ImageError } from '../oci/errors.js';
import type { ResolvedImage, ResolvedLayer } from '../oci/image.js';
import { layerCompression } from '../oci/media-types.js';
import { unpackLayer } from '../tar/unpack.js';
import type { BuildSession } from './session.js';

/** What pulling needs of a build. */
export type PullSession = Pick<BuildSession, 'store' | 'signal'>;

/** No honest layer is larger; an archive that claims to be would only fill the disk. */
const MAX_LAYER_BYTES = 2 ** 40;
const MAX_LAYER_ENTRIES = 20_000_000;

/** How often a layer that somebody else pulls is looked at again. */
const POLL_MS = 100;

/** What is wrong with the bytes of a layer shows before its digest is known: which layer it was. */
function namingLayer(error: unknown, { descriptor: { digest } }: ResolvedLayer): unknown {
  if (!(error instanceof ImageError) || error.message.includes(digest)) return error;
  const { message, hint, registry, reference, status } = error;
  return new ImageError(`layer ${digest}: ${message}`, {
    hint: hint ?? 'it is damaged, where it is kept or on the way: try again, or push it again',
    registry,
    reference,
    status,
    cause: error,
  });
}

async function pull(session: PullSession, layer: ResolvedLayer): Promise<LayerId> {
  const { store } = session;
  const draft = beginDraft(store.paths);
  try {
    const rootless = inUserNamespace();
    // The blob is kept as it came: pushing the image on must not give it another digest.
    const file = join(draft.path, 'blob');
    const source = Readable.from(teeToFile(await layer.open(), file), { objectMode: false });
    const limits = { maxBytes: MAX_LAYER_BYTES, maxEntries: MAX_LAYER_ENTRIES };
    const unpacked = await unpackLayer(source, draft.diff, { rootless, limits }).catch(
      (error: unknown) => {
        throw namingLayer(error, layer);
      },
    );
    if (unpacked.diffId !== layer.diffId) {
      throw new ImageError(
        `a layer has the diffID ${unpacked.diffId}, its image says ${layer.diffId}`,
        {
          hint: 'the image is damaged: push it again',
        },
      );
    }
    const { digest, size, mediaType } = layer.descriptor;
    const compression = layerCompression(mediaType) ?? 'gzip';
    checkpoint('pull:unpacked');
    placeBlob(store, file, digest);
    placeLayer(store.paths, draft);
    const { files, bytes, opaque } = unpacked;
    const blob = { digest, size, diffId: layer.diffId, compression };
    publishBaseLayer(store.index, layer.diffId, draft.id, { files, bytes, opaque, blob });
    checkpoint('pull:published');
    discardDraft(draft);
    await settleStep(store);
    return draft.id;
  } catch (error) {
    abandonDraft(store.paths, draft, (id) => store.index.layers.doesExist(id));
    throw error;
  }
}

async function findOrPull(session: PullSession, layer: ResolvedLayer): Promise<LayerId> {
  const { index } = session.store;
  const lease = `pull:${layer.diffId}`;
  for (;;) {
    session.signal.throwIfAborted();
    const known = index.diffIds.get(layer.diffId);
    if (known !== undefined && index.layers.doesExist(known)) return known;
    if (tryLease(index, lease) === undefined) break;
    await new Promise((resume) => setTimeout(resume, POLL_MS));
  }
  try {
    const done = index.diffIds.get(layer.diffId);
    if (done !== undefined && index.layers.doesExist(done)) return done;
    return await pull(session, layer);
  } finally {
    releaseLease(index, lease);
  }
}

/**
 * The layers of a base image, bottom first; what the store lacks is pulled, in parallel.
 * @throws ImageError, NoSpaceError
 */
export async function baseLayers(session: PullSession, image: ResolvedImage): Promise<LayerId[]> {
  const pulls = await Promise.allSettled(image.layers.map((layer) => findOrPull(session, layer)));
  // When one fails the others end before the process does: a draft must not stay behind.
  return pulls.map((pulled) => {
    if (pulled.status === 'rejected') throw pulled.reason;
    return pulled.value;
  });
}
