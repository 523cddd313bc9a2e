/** `wiac pull`, `wiac push`, `wiac images` */
import { baseLayers } from '../build/base-layers.js';
import { exportImage } from '../build/export-image.js';
import { settle } from '../cache/durability.js';
import { findImage, imageRecord, publishImage } from '../cache/images.js';
import { lazyScratch } from '../cache/layer-store.js';
import { storeRoot } from '../cache/paths.js';
import type { Store } from '../cache/store.js';
import { asStoreError, closeStore } from '../cache/store.js';
import { NotFoundError } from '../errors.js';
import { ensurePrivileges } from '../exec/privileges.js';
import { baseImage } from '../image/base-image.js';
import { openImageSink } from '../image/image-sink.js';
import { openImageSource } from '../image/image-source.js';
import { formatPlatform, parsePlatform } from '../oci/platform.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import type { SetExitCode } from './declare/options.js';
import { wantedPlatform } from './dockerfile-input.js';
import { openUserStore } from './user-store.js';

/** Runs an action with the store, as root or in a user namespace. */
async function withStore(
  setExitCode: SetExitCode,
  action: (store: Store) => Promise<void>,
): Promise<void> {
  const root = storeRoot(process.env, process.getuid?.() === 0);
  const relayed = await ensurePrivileges(root);
  if (relayed !== undefined) return setExitCode(relayed);
  const store = await openUserStore(root);
  try {
    await action(store);
  } catch (error) {
    throw asStoreError(root, error);
  } finally {
    await closeStore(store);
  }
}

/** `wiac pull REF`: the image gets its reference as its name, or the one of --tag. */
export function pullCommand(
  reference: string,
  options: { readonly tag?: string; readonly platform?: string },
  setExitCode: SetExitCode,
): Promise<void> {
  return withStore(setExitCode, async (store) => {
    const source = openImageSource(reference);
    try {
      const resolved = await source.resolve(parsePlatform(wantedPlatform(options.platform)));
      const layers = await baseLayers({ store, signal: new AbortController().signal }, resolved);
      await settle(store, layers);
      const { config, history } = baseImage(reference, resolved);
      const image = await publishImage(
        store.index,
        imageRecord({
          layers,
          platform: formatPlatform(resolved.config),
          manifest: resolved.manifestDescriptor.digest,
          config,
          history,
        }),
        [options.tag ?? reference],
      );
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
      const { digest } = await exportImage(store, image, sink, scratch.path());
      await settle(store);
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
