/** A layer that another executor made, as a draft of this store. */
import type { Readable } from 'node:stream';
import { unpackLayer } from '../../fs/archive/unpack-layer.js';
import { ImageError } from '../../oci/image-error.js';
import type { Draft } from '../../store/layers/layer-store.js';
import { beginDraft, discardDraft } from '../../store/layers/layer-store.js';
import type { Store } from '../../store/store.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import { MAX_LAYER_ENTRIES } from './fetch-layer.js';

/**
 * Unpacks an archive.
 * @param diffId the digest that it has to have
 * @throws ImageError when it has another one, or is none
 */
export async function receiveArchive(
  store: Store,
  diffId: string,
  archive: Readable,
): Promise<Draft> {
  const draft = beginDraft(store.paths);
  try {
    const limits = { ...store.limits, maxEntries: MAX_LAYER_ENTRIES };
    const options = { rootless: inUserNamespace(), limits };
    const unpacked = await unpackLayer(archive, draft.diff, options);
    if (unpacked.diffId === diffId) return draft;
    throw new ImageError(
      `the executor sent a layer of the digest ${unpacked.diffId}, not ${diffId}`,
      {
        hint: 'it was changed on the way: build again',
      },
    );
  } catch (error) {
    discardDraft(draft);
    throw error;
  }
}
