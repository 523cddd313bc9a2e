/** Certificates for one registry, where docker and podman have them: containers-certs.d(5). */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { homeOr } from '../../util/home-directory.js';
import { readSettings } from '../../util/regular-file.js';
import { getMessage, ImageError } from '../image-error.js';
import type { RegistryConfig } from './auth-config.js';

/** What a directory of certificates holds, as PEM. */
export interface Certificates {
  /** Authorities to trust besides the well-known ones: *.crt. */
  readonly ca: string | undefined;
  /** Who we are: *.cert, each with its *.key. */
  readonly client: { readonly cert: string[]; readonly key: string[] } | undefined;
}

const NONE: Certificates = { ca: undefined, client: undefined };

/** @throws the file system's errors, Error that names a file, also when a certificate has no key */
export function readCertificates(directory: string): Certificates {
  const read = (name: string) => {
    try {
      return readSettings(join(directory, name)).toString();
    } catch (cause) {
      throw new Error(`${name}: ${getMessage(cause)}`, { cause });
    }
  };
  const names = readdirSync(directory).sort();
  const authorities = names.filter((name) => name.endsWith('.crt')).map(read);
  const own = names.filter((name) => name.endsWith('.cert'));
  const keys = own.map((name) => read(`${name.slice(0, -'.cert'.length)}.key`));
  return {
    ca: authorities.length > 0 ? authorities.join('\n') : undefined,
    client: own.length > 0 ? { cert: own.map(read), key: keys } : undefined,
  };
}

/** Why readCertificates failed: a file in the directory, or the directory itself. */
export function certificateTrouble(cause: unknown): string {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (syscall !== 'scandir') return getMessage(cause);
  if (code === 'ENOENT') return 'there is no such directory';
  return code === 'ENOTDIR' ? 'it is no directory' : getMessage(cause);
}

/** Directories with one for each registry, the first that has this one counts. */
function directories(env: NodeJS.ProcessEnv): string[] {
  const config = homeOr(env.XDG_CONFIG_HOME, '.config', env);
  const own = config === undefined ? [] : [join(config, 'containers')];
  const places = [...own, '/etc/containers', '/etc/docker'];
  return places.map((place) => join(place, 'certs.d'));
}

/** The directory is missing or may not be read: as podman, wiac goes on with the next one. */
const PASSED_OVER = new Set(['ENOENT', 'ENOTDIR', 'EACCES']);

/**
 * Those of --cert-dir, else of the first directory that is named after the registry.
 * @param host `host[:port]` as in a reference
 * @throws ImageError when one can't be read
 */
export function certificatesFor(host: string, { certDir, env }: RegistryConfig): Certificates {
  // A host of a reference has no slash, and dots only between other characters.
  const named = directories(env).map((directory) => join(directory, host));
  for (const directory of certDir === undefined ? named : [certDir]) {
    try {
      return readCertificates(directory);
    } catch (cause) {
      const { code, syscall } = cause as NodeJS.ErrnoException;
      if (syscall === 'scandir' && PASSED_OVER.has(code ?? '')) continue;
      throw new ImageError(`certificates of ${directory}: ${certificateTrouble(cause)}`, {
        cause,
        registry: host,
        hint: 'it holds authorities (*.crt), and *.cert each with its *.key',
      });
    }
  }
  return NONE;
}
