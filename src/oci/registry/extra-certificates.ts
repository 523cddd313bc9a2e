/**
 * Certificates of NODE_EXTRA_CA_CERTS. Node 20 reads them, and its own 140, before it runs anything:
 * 46 ms of each command, also of those that speak to no registry (22 and 24 read them when they need them). So src/start/launch.sh keeps the
 * variable from Node, and they are read where they are needed.
 */
import * as tls from 'node:tls';
import { readSettings } from '../../util/regular-file.js';

/** Since Node 22.15: with those of the system, if Node's options ask for them. */
function ownAuthorities(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  return getCACertificates?.('default') ?? tls.rootCertificates;
}

/** As Node does: a file that can't be read is a warning. */
function readUnread(file: string | undefined): string[] {
  if (!file) return [];
  try {
    return [readSettings(file).toString()];
  } catch (error) {
    process.emitWarning(`NODE_EXTRA_CA_CERTS is ignored: ${(error as Error).message}`);
    return [];
  }
}

/**
 * Authorities for a TLS connection, as Node's `ca` option takes them.
 * @param own PEM certificates of the configuration
 * @returns undefined: those that Node has by itself
 */
export function trustedAuthorities(
  own: string | undefined,
  env: NodeJS.ProcessEnv,
): string[] | undefined {
  const extra = readUnread(env.WIAC_UNREAD_CA_CERTS);
  if (own === undefined && extra.length === 0) return undefined;
  return [...ownAuthorities(), ...extra, ...(own === undefined ? [] : [own])];
}
