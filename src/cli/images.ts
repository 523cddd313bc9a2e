/** `wiac pull`, `wiac push`, `wiac images` */
import { exportImage } from '../build/export-image.js';
import { fetchImageLayers } from '../build/fetch-layer.js';
import { findImage, imageRecord, publishImage } from '../cache/images.js';
import { lazyScratch } from '../cache/layer-store.js';
import { storeRoot } from '../cache/paths.js';
import type { Store } from '../cache/store.js';
import { closeStore, openStore } from '../cache/store.js';
import { NotFoundError } from '../errors.js';
import { ensurePrivileges } from '../exec/privileges.js';
import { baseImage } from '../image/base-image.js';
import { openImageSink } from '../image/image-sink.js';
import { openImageSource } from '../image/image-source.js';
import { parsePlatform } from '../oci/platform.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import type { SetExitCode } from './declare/options.js';
import { hostPlatform } from './dockerfile-input.js';

/** Runs an action with the store, as root or in a user namespace. */
async function withStore(
  setExitCode: SetExitCode,
  action: (store: Store) => Promise<void>,
): Promise<void> {
  const root = storeRoot(process.env, process.getuid?.() === 0);
  const relayed = await ensurePrivileges(root);
  if (relayed !== undefined) return setExitCode(relayed);
  const store = openStore(root);
  try {
    await action(store);
  } finally {
    await closeStore(store);
  }
}

/** `wiac pull REF`: the image gets its reference as its name, or the one of --tag. */
export function pullCommand(
  reference: string,
  options: { readonly tag?: string },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStore(setExitCode, async (store) => {
    const source = openImageSource(reference);
    try {
      const resolved = await source.resolve(parsePlatform(hostPlatform()));
      const layers = await fetchImageLayers(
        { store, signal: new AbortController().signal },
        resolved,
      );
      const { config, history } = baseImage(reference, resolved);
      const image = await publishImage(store.index, imageRecord({ layers, config, history }), [
        options.tag ?? reference,
      ]);
      process.stdout.write(`${image.id}\n`);
    } finally {
      await source.close();
    }
  });
}

/** `wiac push NAME REF`: prints the manifest's digest. */
export function pushCommand(
  name: string,
  reference: string,
  setExitCode: SetExitCode,
): Promise<void> {
  return withStore(setExitCode, async (store) => {
    const image = findImage(store.index, name);
    if (!image)
      throw new NotFoundError(`there is no image ${name}`, {
        hint: 'wiac images lists them; wiac build -t NAME makes one',
      });
    const sink = openImageSink(reference);
    const scratch = lazyScratch(store.paths);
    try {
      const { digest } = await exportImage(store, image, hostPlatform(), sink, scratch.path());
      process.stdout.write(`${digest}\n`);
    } finally {
      scratch.remove();
      await sink.close();
    }
  });
}

/** `wiac images`: names, ids, sizes. */
export function imagesCommand(options: { readonly format: 'table' | 'json' }): Promise<void> {
  return withStore(
    () => {},
    async ({ index }) => {
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
    },
  );
}
