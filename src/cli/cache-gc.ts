/** `wiac cache gc`: keeps a shared cache within its bounds. */
import { boundCache } from '../engine/shared-caches.js';
import { formatBytes } from '../ui/format.js';
import { plural } from '../util/plural.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';

/** Options of the command. */
interface GcOptions extends RegistryAccessOptions {
  readonly maxAge?: string;
  readonly maxEntries?: string;
  readonly signKey?: string;
}

/** A value of --cache-to. */
function quoted(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [`"${name}=${value.replaceAll('"', '""')}"`];
}

/** @param cache as in --cache-to: a reference, or type=... */
export async function gcCommand(cache: string, options: GcOptions): Promise<void> {
  const { maxAge, maxEntries, signKey } = options;
  const place = /^type=|,type=/.test(cache)
    ? cache
    : ['type=registry', ...quoted('ref', cache)].join();
  const bounds = [
    ...quoted('max-age', maxAge),
    ...quoted('max-entries', maxEntries),
    ...quoted('sign-key', signKey),
  ];
  const text = [place, ...bounds].join(',');
  const { before, after, freed } = await boundCache(
    text,
    process.env,
    await registryAccess(options),
  );
  const bytes = freed === 0 ? '' : `, ${formatBytes(freed)} freed`;
  process.stdout.write(
    `${before - after} of ${plural(before, 'entry', 'entries')} removed${bytes}\n`,
  );
}
