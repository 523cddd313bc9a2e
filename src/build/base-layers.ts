/** Layers of base images: pulled once, unpacked, found again by their diffID. */

import { publishBaseLayer } from '../cache/entries.js';
import { beginDraft, discardDraft, placeLayer } from '../cache/layer-store.js';
import { releaseLease, tryLease } from '../cache/lease.js';
import type { LayerId } from '../cache/records.js';
import { inUserNamespace } from '../exec/overlay.js';
import { ImageError } from '../oci/errors.js';
import type { ResolvedImage, ResolvedLayer } from '../oci/image.js';
import { unpackLayer } from '../tar/unpack.js';
import type { BuildSession } from './session.js';

/** How often a layer that somebody else pulls is looked at again. */
const POLL_MS = 100;

async function pull(session: BuildSession, layer: ResolvedLayer): Promise<LayerId> {
  const { store } = session;
  const draft = beginDraft(store.paths);
  try {
    const rootless = inUserNamespace();
    const unpacked = await unpackLayer(await layer.open(), draft.diff, { rootless });
    if (unpacked.diffId !== layer.diffId) {
      throw new ImageError(
        `a layer has the diffID ${unpacked.diffId}, its image says ${layer.diffId}`,
        {
          hint: 'the image is damaged: push it again',
        },
      );
    }
    placeLayer(store.paths, draft);
    const { files, bytes, opaque } = unpacked;
    publishBaseLayer(store.index, layer.diffId, draft.id, { files, bytes, opaque });
    return draft.id;
  } catch (error) {
    discardDraft(draft);
    throw error;
  }
}

async function findOrPull(session: BuildSession, layer: ResolvedLayer): Promise<LayerId> {
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
export async function baseLayers(session: BuildSession, image: ResolvedImage): Promise<LayerId[]> {
  return Promise.all(image.layers.map((layer) => findOrPull(session, layer)));
}
