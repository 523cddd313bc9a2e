/** `wiac cache mounts ls|export|import|rm` */
import type { MountSession } from '../engine/mounts/gather-mounts.js';
import { exportMounts, findMounts, importMounts } from '../engine/mounts/transfer-mounts.js';
import type { CacheSource } from '../engine/shared-cache.js';
import { mountsSource, mountsTarget } from '../engine/shared-caches.js';
import type { ArtifactSource } from '../oci/artifact.js';
import { removeMounts } from '../store/gc/remove-mounts.js';
import { lazyScratch } from '../store/layers/layer-store.js';
import { listMounts, mountRecords } from '../store/pins/cache-mounts.js';
import type { Store } from '../store/store.js';
import { formatAge, formatBytes, formatTable } from '../ui/format.js';
import { plural } from '../util/plural.js';
import type { SetExitCode } from './declare/options.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';
import { changeStore, withStore, withStoreAsRoot } from './with-store.js';

interface ListOptions extends RegistryAccessOptions {
  readonly format: 'table' | 'json';
}

const shortName = (name: string) => name.slice(0, 12);

function print(rows: readonly (readonly string[])[], value: unknown, { format }: ListOptions) {
  const text = format === 'json' ? `${JSON.stringify(value, null, 2)}\n` : formatTable(rows);
  process.stdout.write(text);
}

/** Reads a cache as --cache-from has it, for as long as the action takes. */
async function withSource<T>(
  cache: string,
  options: RegistryAccessOptions,
  action: (source: CacheSource) => Promise<T>,
): Promise<T> {
  const opened: ArtifactSource[] = [];
  const keep = (source: ArtifactSource) => void opened.push(source);
  try {
    return await action(mountsSource(cache, process.env, keep, await registryAccess(options)));
  } finally {
    await Promise.all(opened.map((source) => source.close()));
  }
}

/** `wiac cache mounts ls`: those of this store, or of a shared cache. */
export async function listMountsCommand(
  cache: string | undefined,
  options: ListOptions,
): Promise<void> {
  const now = Date.now();
  if (cache === undefined)
    return withStore((store) => {
      const mounts = listMounts(store);
      const rows = mounts.map(({ name, id, bytes, lastUsed }) => {
        const used = lastUsed === 0 ? '-' : formatAge(now - lastUsed);
        return [shortName(name), used, formatBytes(bytes), id];
      });
      print([['NAME', 'USED', 'SIZE', 'ID'], ...rows], mounts, options);
    });
  return withSource(cache, options, async (source) => {
    const { mounts = [] } = (await source.read()).list;
    const rows = mounts.map(({ name, id, count, bytes, packs, created }) => {
      const age = formatAge(now - created);
      return [shortName(name), age, String(count), formatBytes(bytes), String(packs.length), id];
    });
    print([['NAME', 'AGE', 'FILES', 'SIZE', 'PACKS', 'ID'], ...rows], mounts, options);
  });
}

/** Gives an action the store, and what taking and restoring snapshots needs. */
function withSession(
  setExitCode: SetExitCode,
  action: (session: MountSession) => Promise<void>,
): Promise<void> {
  return changeStore(setExitCode, async (store) => {
    const scratch = lazyScratch(store.paths);
    const { signal } = new AbortController();
    const warn = (message: string) => void process.stderr.write(`wiac: ${message}\n`);
    try {
      await action({ store, scratch: scratch.path, signal, warn });
    } finally {
      scratch.remove();
    }
  });
}

/** `wiac cache mounts export` */
export async function exportMountsCommand(
  cache: string,
  asked: readonly string[],
  options: RegistryAccessOptions,
  setExitCode: SetExitCode,
): Promise<void> {
  const target = mountsTarget(cache, process.env, await registryAccess(options));
  return withSession(setExitCode, async (session) => {
    for (const { id, count, bytes } of await exportMounts(session, target, asked))
      process.stdout.write(`exported ${id}: ${plural(count, 'file')}, ${formatBytes(bytes)}\n`);
  });
}

/** `wiac cache mounts import` */
export function importMountsCommand(
  cache: string,
  asked: readonly string[],
  options: RegistryAccessOptions & { readonly replace: boolean },
  setExitCode: SetExitCode,
): Promise<void> {
  return withSession(setExitCode, (session) =>
    withSource(cache, options, async (source) => {
      for (const { mount, outcome } of await importMounts(
        session,
        source,
        asked,
        options.replace,
      )) {
        const { id, count, bytes } = mount;
        const said = {
          imported: `imported ${id}: ${plural(count, 'file')}, ${formatBytes(bytes)}`,
          kept: `kept ${id}: it is here (--replace takes that of the cache)`,
          'in use': `kept ${id}: it is in use`,
        };
        process.stdout.write(`${said[outcome]}\n`);
      }
    }),
  );
}

/** `wiac cache mounts rm` */
export function removeMountsCommand(
  asked: readonly string[],
  setExitCode: SetExitCode,
): Promise<void> {
  return withStoreAsRoot(setExitCode, async (store: Store) => {
    const found = findMounts(mountRecords(store), asked);
    const gone = new Set(
      removeMounts(
        store,
        found.map(({ name }) => name),
      ),
    );
    for (const { name, id } of found)
      process.stdout.write(gone.has(name) ? `removed ${id}\n` : `kept ${id}: it is in use\n`);
  });
}
