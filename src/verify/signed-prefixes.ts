/** Which images must be signed, and by whom (`--require-signed`). Pure. */
import type { KeyObject } from 'node:crypto';
import { ImageError } from '../oci/image-error.js';
import type { RegistryReference } from '../oci/reference.js';
import { parseRegistryReference } from '../oci/reference.js';
import { UsageError } from '../util/errors.js';

/** Every image of a registry below a name must be signed. */
export interface SignedPrefix {
  /** `HOST` or `HOST/PATH`; whole components count: `a.example/b` is not about `a.example/bc`. */
  readonly prefix: string;
  /** One of them must have signed it. */
  readonly keys: readonly KeyObject[];
}

const HINT = 'write HOST/PATH=KEYFILE: registry.example/team=cosign.pub, docker.io/library=KEYFILE';

/** Names that a registry has besides the one that people write. */
const OTHER_HOSTS: Readonly<Record<string, string>> = {
  'index.docker.io': 'docker.io',
  'registry-1.docker.io': 'docker.io',
};

/** A host as a URL has it: numbers of an address and of a port have several spellings, and one server. */
function urlHost(host: string): string {
  try {
    return new URL(`https://${host}`).host;
  } catch {
    // No connection is made to it.
    return host.toLowerCase();
  }
}

/** The host in one spelling: who writes a Dockerfile must not get around a rule by another one. */
function plainHost(host: string): string {
  const plain = urlHost(host).replace(/:80$/, '');
  return OTHER_HOSTS[plain] ?? plain;
}

const HUB = 'docker.io';

/** Images of Docker Hub that have no owner in their name. */
const HUB_LIBRARY = 'library';

function components(host: string, repository: string): string[] {
  return [plainHost(host), ...repository.split('/').filter((name) => name !== '')];
}

/** All of a name: that of `debian` is docker.io/library/debian. */
function nameComponents({ host, repository }: RegistryReference): string[] {
  const [plain = '', ...path] = components(host, repository);
  return plain === HUB && path.length === 1 ? [HUB, HUB_LIBRARY, ...path] : [plain, ...path];
}

/**
 * How much of a name a rule names; undefined when it is not about it. Who writes docker.io/debian may mean all
 * that belongs to debian, or the image debian: it is about both.
 */
function matchedLength(parts: readonly string[], name: readonly string[]): number | undefined {
  if (parts.every((part, at) => part === name[at])) return parts.length;
  const [host, owner, image] = name;
  const isLibrary = host === HUB && owner === HUB_LIBRARY && name.length === 3;
  const isImage = parts.length === 2 && parts[0] === HUB && parts[1] === image;
  return isLibrary && isImage ? name.length : undefined;
}

/** Reads the prefix of a rule. @throws UsageError */
function parsePrefix(prefix: string): string[] {
  const [host = '', ...path] = prefix.replace(/\/+$/, '').split('/');
  const isHost = /[.:]/.test(host) || host === 'localhost';
  try {
    if (isHost && path.length === 0) {
      parseRegistryReference(`${host}/any`);
      return components(host, '');
    }
    const found = isHost ? parseRegistryReference(`${host}/${path.join('/')}`) : undefined;
    // A tag or a digest is no part of a name.
    if (found?.tag === 'latest' && found.digest === undefined && !prefix.endsWith(':latest'))
      return components(found.host, path.join('/'));
  } catch (cause) {
    if (!(cause instanceof ImageError)) throw cause;
  }
  throw new UsageError(`"${prefix}" is no registry, and no beginning of the names that one has`, {
    hint: HINT,
  });
}

/**
 * Splits `HOST/PATH=KEYFILE`.
 * @throws UsageError
 */
export function splitSignedPrefix(
  text: string,
  option = '--require-signed',
): { readonly prefix: string; readonly key: string } {
  const at = text.indexOf('=');
  const [prefix, key] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (prefix === '' || key === '')
    throw new UsageError(`${option} ${text}: not understood`, { hint: HINT });
  parsePrefix(prefix);
  return { prefix, key };
}

/**
 * The keys, one of which must have signed an image: those of the longest prefixes that it has.
 * @returns undefined when no rule is about it
 * @throws UsageError for a prefix that is none
 */
export function requiredKeys(
  prefixes: readonly SignedPrefix[],
  reference: RegistryReference,
): readonly KeyObject[] | undefined {
  const name = nameComponents(reference);
  const matching = prefixes.flatMap(({ prefix, keys }) => {
    const length = matchedLength(parsePrefix(prefix), name);
    return length === undefined ? [] : [{ length, keys }];
  });
  if (matching.length === 0) return undefined;
  const longest = Math.max(...matching.map(({ length }) => length));
  return matching.flatMap(({ length, keys }) => (length === longest ? keys : []));
}
