/** `wiac cache export FILE`, `wiac cache import FILE` */

import { gatherStore, importCache } from '../engine/exports/transfer-cache.js';
import { cacheSource, cacheTarget } from '../engine/shared-caches.js';
import { createHash64 } from '../fs/scan/hash64.js';
import type { ArtifactSource } from '../oci/artifact.js';
import { indexScanStore } from '../store/entries/scan-store.js';
import { stackTree } from '../store/layers/layer-stack.js';
import { lazyScratch } from '../store/layers/layer-store.js';
import { plural } from '../util/plural.js';
import type { SetExitCode } from './declare/options.js';
import { changeStore } from './with-store.js';

/** `wiac cache export`: all entries with their layers, as an oci-archive. */
export function exportCommand(
  file: string,
  options: { readonly compression: 'gzip' | 'zstd'; readonly signKey?: string },
  setExitCode: SetExitCode,
): Promise<void> {
  const { compression, signKey } = options;
  const target = cacheTarget({
    place: { type: 'archive', file },
    mode: 'max',
    compression,
    signKey,
    ignoreError: false,
    mounts: undefined,
    bounds: undefined,
  });
  return changeStore(setExitCode, async (store) => {
    const scanStore = indexScanStore(store, await createHash64());
    const scratch = lazyScratch(store.paths);
    const { signal } = new AbortController();
    try {
      const session = {
        store,
        scanStore,
        origins: new Map(),
        stacks: stackTree(),
        signal,
        scratch: scratch.path,
      };
      const cache = await gatherStore(session, compression);
      await target.write(cache, store);
      const { entries } = cache.list;
      process.stdout.write(
        `exported ${plural(entries.length, 'entry', 'entries')}, ${plural(cache.layers.length, 'layer')}\n`,
      );
    } finally {
      scratch.remove();
    }
  });
}

/** `wiac cache import`: adds what a file of `wiac cache export` has and the store lacks. */
export function importCommand(
  file: string,
  options: { readonly trustKey: readonly string[] },
  setExitCode: SetExitCode,
): Promise<void> {
  const opened: ArtifactSource[] = [];
  const source = cacheSource(
    {
      place: { type: 'archive', file },
      required: true,
      oneOf: false,
      trustKeys: options.trustKey,
      mounts: undefined,
    },
    (archive) => void opened.push(archive),
  );
  return changeStore(setExitCode, async (store) => {
    try {
      const session = { store, signal: new AbortController().signal };
      const { entries, layers } = await importCache(session, await source.read());
      process.stdout.write(
        `imported ${plural(entries, 'entry', 'entries')}, ${plural(layers, 'layer')}\n`,
      );
    } finally {
      await Promise.all(opened.map((archive) => archive.close()));
    }
  });
}
