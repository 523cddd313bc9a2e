/** `wiac cache export FILE`, `wiac cache import FILE` */

import { exportStore, importCache } from '../engine/exports/transfer-cache.js';
import { cacheSource, cacheTarget } from '../engine/shared-caches.js';
import type { ArtifactSource } from '../oci/artifact.js';
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
    const { entries, layers } = await exportStore(store, target, new AbortController().signal);
    process.stdout.write(
      `exported ${plural(entries, 'entry', 'entries')}, ${plural(layers, 'layer')}\n`,
    );
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
