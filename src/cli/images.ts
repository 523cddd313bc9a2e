/** `wiac pull`, `wiac push`, `wiac images` */
import type { ExportOptions } from '../build/export-image.js';
import { exportImages } from '../build/export-image.js';
import { fetchImageLayers } from '../build/fetch-layer.js';
import { settle } from '../cache/durability.js';
import { imageRecord, publishImage, useImage } from '../cache/images.js';
import { lazyScratch } from '../cache/layer-store.js';
import { retryWhenPruned } from '../cache/uses.js';
import { NotFoundError } from '../errors.js';
import { baseImage } from '../image/base-image.js';
import { openImageSink } from '../image/image-sink.js';
import { openImageSource } from '../image/image-source.js';
import { parseCompression, parseEpoch } from '../image/output.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import type { SetExitCode } from './declare/options.js';
import { wantedPlatform } from './dockerfile-input.js';
import { withStore, withStoreAsRoot } from './with-store.js';

/** `wiac pull REF`: the image gets its reference as its name, or the one of --tag. */
export function pullCommand(
  reference: string,
  options: { readonly tag?: string; readonly platform?: string },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    const source = openImageSource(reference);
    try {
      const resolved = await source.resolve(parsePlatform(wantedPlatform(options.platform)));
      const { config, history } = baseImage(reference, resolved);
      const image = await retryWhenPruned(store.index, async () => {
        const { signal } = new AbortController();
        const layers = await fetchImageLayers({ store, signal }, resolved);
        await settle(store, layers);
        const made = imageRecord({
          layers,
          platform: formatPlatform(resolved.config),
          manifest: resolved.manifestDescriptor.digest,
          config,
          history,
        });
        return publishImage(store.index, made, [options.tag ?? reference]);
      });
      process.stdout.write(`${image.id}\n`);
    } finally {
      await source.close();
    }
  });
}

/** Options of `wiac push`, as commander gives them. */
export interface PushOptions {
  readonly compression?: string;
  readonly compressionLevel?: string;
  readonly forceCompression: boolean;
  readonly docker: boolean;
}

/** `wiac push NAME REF`: prints the manifest's digest. */
export async function pushCommand(
  name: string,
  reference: string,
  options: PushOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const wanted = parseCompression(options.compression, options.compressionLevel);
  const { compression = 'gzip', level } = wanted;
  const exportOptions: ExportOptions = {
    form: { compression, level, force: options.forceCompression, latest: undefined },
    mediaTypes: options.docker ? 'docker' : 'oci',
    annotations: [],
    epoch: parseEpoch(process.env.SOURCE_DATE_EPOCH),
  };
  return withStoreAsRoot(setExitCode, async (store) => {
    const image = useImage(store.index, name);
    if (!image)
      throw new NotFoundError(`there is no image ${name}`, {
        hint: 'wiac images lists them; wiac build -t NAME makes one',
      });
    const sink = openImageSink(reference);
    const scratch = lazyScratch(store.paths);
    try {
      const { root } = await exportImages(store, [{ image }], sink, scratch.path(), exportOptions);
      await settle(store);
      process.stdout.write(`${root.digest}\n`);
    } finally {
      scratch.remove();
      await sink.close();
    }
  });
}

/** `wiac images`: names, ids, sizes. */
export function imagesCommand(options: { readonly format: 'table' | 'json' }): Promise<void> {
  return withStore(({ index }) => {
    const rows = [...index.names.getRange()].flatMap(({ key, value }) => {
      const image = index.images.get(value);
      if (!image) return [];
      const bytes = image.layers.reduce((sum, id) => sum + (index.layers.get(id)?.bytes ?? 0), 0);
      return [
        { name: key, id: image.id, created: image.created, layers: image.layers.length, bytes },
      ];
    });
    if (options.format === 'json') {
      process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
      return;
    }
    const head = ['NAME', 'ID', 'AGE', 'LAYERS', 'SIZE'];
    const cells = rows.map(({ name, id, created, layers, bytes }) => [
      name,
      id.slice('sha256:'.length, 'sha256:'.length + 12),
      formatAge(Date.now() - created),
      String(layers),
      formatBytes(bytes),
    ]);
    process.stdout.write(formatTable([head, ...cells]));
  });
}
