/** What layers are called in an image config: rootfs.diff_ids (image-spec, config.md). */
import { createHash } from 'node:crypto';
import { packingOf } from '../cache/blobs.js';
import { knownArchive } from '../cache/image-ids.js';
import { opaqueOf } from '../cache/layer-marks.js';
import { layerFiles } from '../cache/layer-store.js';
import type { ArchiveRecord, LayerId } from '../cache/records.js';
import type { Store } from '../cache/store.js';
import { packLayer } from '../tar/pack.js';
import { bytesOf, createWindowMemory } from '../tar/windows.js';

/** Packs a layer for what is to be said of its archive; nothing of that is kept. */
export async function layerArchive(store: Store, id: LayerId): Promise<ArchiveRecord> {
  const opaque = await opaqueOf(store, id);
  const hash = createHash('sha256');
  const memory = createWindowMemory();
  let newest = 0;
  const onNewest = (seconds: number) => {
    newest = seconds;
  };
  const packing = packingOf(store, id);
  const archive = packLayer(layerFiles(store, id), { opaque, ...packing, onNewest, memory });
  for await (const chunk of bytesOf(archive, memory)) hash.update(chunk);
  return { diffId: `sha256:${hash.digest('hex')}`, newest };
}

/** The digest of a layer's archive without compression, which its record has or packing it tells. */
export async function layerDiffId(store: Store, id: LayerId): Promise<string> {
  return (knownArchive(store.index, id) ?? (await layerArchive(store, id))).diffId;
}
