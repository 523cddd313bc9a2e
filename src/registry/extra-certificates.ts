/**
 * Certificates of NODE_EXTRA_CA_CERTS. Node 20 reads them, and its own 140, before it runs anything:
 * 50 ms of each command, also of those that speak to nobody. So `wiac` keeps the variable from Node
 * (src/cli/launch.sh), and they are read where they are needed.
 */
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/**
 * Authorities for a TLS connection, as Node's `ca` option takes them.
 * @param own PEM certificates of the configuration
 * @returns undefined: those that Node has by itself
 */
export function trustedAuthorities(
  own: string | undefined,
  env: NodeJS.ProcessEnv,
): string[] | undefined {
  const unread = env.WIAC_UNREAD_CA_CERTS;
  const extra = unread === undefined ? [] : [readFileSync(unread, 'utf8')];
  if (own === undefined && extra.length === 0) return undefined;
  return [...rootCertificates, ...extra, ...(own === undefined ? [] : [own])];
}
