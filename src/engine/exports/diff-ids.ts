/** What layers are called in an image config: rootfs.diff_ids (image-spec, config.md). */
import { createHash } from 'node:crypto';
import { packLayer } from '../../fs/archive/pack.js';
import { bytesOf, createWindowMemory } from '../../fs/archive/windows.js';
import { packingOf } from '../../store/blobs/blobs.js';
import { opaqueOf } from '../../store/layers/layer-marks.js';
import { layerFiles } from '../../store/layers/layer-store.js';
import type { LayerId } from '../../store/records.js';
import type { Store } from '../../store/store.js';

/**
 * The digest of a layer's archive without compression. A layer that was pulled or pushed has it in
 * its record; another one is packed for it, and nothing of that is kept.
 */
export async function layerDiffId(store: Store, id: LayerId): Promise<string> {
  const record = store.index.layers.get(id);
  if (record?.blob) return record.blob.diffId;
  const opaque = await opaqueOf(store, id);
  const hash = createHash('sha256');
  const memory = createWindowMemory();
  const archive = packLayer(layerFiles(store, id), { opaque, ...packingOf(store, id), memory });
  for await (const chunk of bytesOf(archive, memory)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}
