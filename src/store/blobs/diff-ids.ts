/** What layers are called in an image config: rootfs.diff_ids (image-spec, config.md). */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { packLayer } from '../../fs/archive/pack.js';
import { createWindowMemory, getBytes } from '../../fs/archive/windows.js';
import { knownArchive } from '../images/image-ids.js';
import { getOpaque } from '../layers/layer-marks.js';
import { layerFiles } from '../layers/layer-store.js';
import type { ArchiveRecord, LayerId } from '../records.js';
import type { Store } from '../store.js';
import { getPacking } from './blobs.js';

/** The archive of a layer that is here, without compression (image-spec, layer.md). */
export function layerArchive(store: Store, id: LayerId): Readable {
  return Readable.from(archiveBytes(store, id), { objectMode: false });
}

async function* archiveBytes(
  store: Store,
  id: LayerId,
  onNewest: (seconds: number) => void = () => {},
  latest?: number,
): AsyncGenerator<Buffer> {
  const opaque = await getOpaque(store, id);
  const memory = createWindowMemory();
  const packing = getPacking(store, id);
  const archive = packLayer(layerFiles(store, id), {
    opaque,
    latest,
    ...packing,
    onNewest,
    memory,
  });
  // The memory is used again for the next piece.
  for await (const chunk of getBytes(archive, memory)) yield Buffer.from(chunk);
}

/**
 * Packs a layer to compute its diffID and newest time; the archive is not kept.
 * @param latest later times become this one, in seconds since the epoch
 */
export async function describeArchive(
  store: Store,
  id: LayerId,
  latest?: number,
): Promise<ArchiveRecord> {
  const hash = createHash('sha256');
  let newest = 0;
  const onNewest = (seconds: number) => {
    newest = seconds;
  };
  for await (const chunk of archiveBytes(store, id, onNewest, latest)) hash.update(chunk);
  return { diffId: `sha256:${hash.digest('hex')}`, newest };
}

/** The digest of a layer's archive without compression, which its record has or packing it tells. */
export async function layerDiffId(store: Store, id: LayerId): Promise<string> {
  return (knownArchive(store, id) ?? (await describeArchive(store, id))).diffId;
}
