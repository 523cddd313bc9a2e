/** `wiac pull`, `wiac push` */
import type { ExportOptions } from '../build/export-image.js';
import { exportImages } from '../build/export-image.js';
import { settleStep } from '../cache/durability.js';
import { lazyScratch } from '../cache/layer-store.js';
import { useLayers } from '../cache/uses.js';
import { openImageSink } from '../image/image-sink.js';
import { parseCompression, parseEpoch } from '../image/output.js';
import type { SetExitCode } from './declare/options.js';
import { wantedPlatform } from './dockerfile-input.js';
import { requireImage } from './find-image.js';
import { pullImage } from './pull-image.js';
import { withStoreAsRoot } from './with-store.js';

/** `wiac pull REF`: the image gets its reference as its name, or the one of --tag. */
export function pullCommand(
  reference: string,
  options: { readonly tag?: string; readonly platform?: string },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store) => {
    const platform = wantedPlatform(options.platform);
    const image = await pullImage(store, reference, platform, options.tag ?? reference);
    process.stdout.write(`${image.id}\n`);
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
    const image = requireImage(store.index, name);
    useLayers(store.index, image.layers);
    const sink = openImageSink(reference);
    const scratch = lazyScratch(store.paths);
    try {
      const { root } = await exportImages(store, [{ image }], sink, scratch.path(), exportOptions);
      // The registry has it; to make a blob again after a power cut is cheaper than to wait for the disk.
      await settleStep(store);
      process.stdout.write(`${root.digest}\n`);
    } finally {
      scratch.remove();
      await sink.close();
    }
  });
}
