/** What layers are called in an image config: rootfs.diff_ids (image-spec, config.md). */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { packLayer } from '../../fs/archive/pack.js';
import { bytesOf, createWindowMemory } from '../../fs/archive/windows.js';
import { tablesOf } from '../index/tables.js';
import { opaqueOf } from '../layers/layer-marks.js';
import { layerFiles } from '../layers/layer-store.js';
import type { LayerId } from '../records.js';
import type { Store } from '../store.js';
import { packingOf } from './blobs.js';

/** The archive of a layer that is here, without compression (image-spec, layer.md). */
export function layerArchive(store: Store, id: LayerId): Readable {
  return Readable.from(archiveBytes(store, id), { objectMode: false });
}

async function* archiveBytes(store: Store, id: LayerId): AsyncGenerator<Buffer> {
  const opaque = await opaqueOf(store, id);
  const memory = createWindowMemory();
  const archive = packLayer(layerFiles(store, id), { opaque, ...packingOf(store, id), memory });
  // The memory is used again for the next piece.
  for await (const chunk of bytesOf(archive, memory)) yield Buffer.from(chunk);
}

/**
 * The digest of a layer's archive without compression. A layer that was pulled or pushed has it in
 * its record; another one is packed for it, and nothing of that is kept.
 */
export async function layerDiffId(store: Store, id: LayerId): Promise<string> {
  const record = tablesOf(store).layers.get(id);
  if (record?.blob) return record.blob.diffId;
  const hash = createHash('sha256');
  for await (const chunk of archiveBytes(store, id)) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}
