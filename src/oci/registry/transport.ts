/** Connections: TLS settings and proxies, as undici dispatchers. */
import type { Dispatcher } from 'undici';
import { isHttpUrl } from '../../util/http-url.js';
import { withoutUser } from '../../util/redact.js';
import { ImageError } from '../image-error.js';
import { isLoopback, type RegistryConfig } from './auth-config.js';
import type { Certificates } from './certificates.js';
import { openConnections } from './connections.js';
import { trustedAuthorities } from './extra-certificates.js';
import { isExcluded } from './no-proxy.js';
import { type RetryPolicy, silenceOf } from './retry.js';

/** Milliseconds. */
const CONNECT_MS = 20_000;

/** Connections of one client, by where they go. */
export interface Transport {
  dispatcher(url: URL): Dispatcher;
  close(): Promise<void>;
}

function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name.toLowerCase()] || env[name] || undefined;
}

/**
 * A `%` that begins no byte is for people a part of a password, and for a URL a mistake. So is an `@` behind the host:
 * then the host is a part of the user.
 */
function isProxy({ username, password, host, href }: URL): boolean {
  try {
    decodeURIComponent(`${username}:${password}`);
    return !href.slice(href.lastIndexOf(host)).includes('@');
  } catch {
    return false;
  }
}

/**
 * The proxy for a URL, by the environment's rules (curl's, and those of Go programs): never for
 * this machine itself.
 * @returns the proxy's URL, undefined for a direct connection
 * @throws ImageError for a proxy that can't be one
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): string | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = variable(env, name)?.trim();
  if (!proxy || isLoopback(url.hostname)) return undefined;
  if (isExcluded(url, variable(env, 'NO_PROXY') ?? '')) return undefined;
  const full = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (isHttpUrl(full) && isProxy(new URL(full))) return full;
  throw new ImageError(`${name}=${withoutUser(proxy)} is no URL of a proxy`, {
    hint: 'write http://HOST:PORT, https://HOST:PORT or http://USER:PASSWORD@HOST:PORT; in a password %25 is a %, %23 a #, %2F a /, %40 an @',
  });
}

/**
 * Connections for one client. Certificates are verified against the well-known authorities and
 * those of the configuration.
 * @param mayTrust whether the certificate of an `https:` URL need not be valid
 * @param policy how long a server may be silent
 * @param findCertificates further authorities, and who we are; asked before the first TLS connection
 */
export function openTransport(
  config: RegistryConfig,
  mayTrust: (url: URL) => boolean,
  policy: RetryPolicy,
  findCertificates?: () => Certificates,
): Transport {
  const dispatchers = new Map<string, Dispatcher>();
  const make = (url: URL, proxy: string | undefined): Dispatcher => {
    // To read them takes 20 ms, and a registry of this machine mostly does without.
    const speaksTls = url.protocol === 'https:' || proxy?.startsWith('https:');
    const certificates = speaksTls ? findCertificates?.() : undefined;
    const own = [config.ca, certificates?.ca].filter((pem) => pem !== undefined);
    const ownAuthorities = own.length > 0 ? own.join('\n') : undefined;
    const ca = speaksTls ? trustedAuthorities(ownAuthorities, config.env) : undefined;
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...certificates?.client,
      ...(mayTrust(url) ? { rejectUnauthorized: false } : {}),
    };
    const connect = { timeout: CONNECT_MS, ...tls };
    const proxyTls = ca === undefined ? {} : { ca };
    return openConnections({ proxy: () => proxy, connect, proxyTls, silence: silenceOf(policy) });
  };
  let isClosed = false;
  return {
    dispatcher(url) {
      if (isClosed) throw new Error('the connections are closed');
      const proxy = proxyFor(url, config.env);
      const key = `${url.protocol} ${mayTrust(url)} ${proxy ?? ''}`;
      const found = dispatchers.get(key) ?? make(url, proxy);
      dispatchers.set(key, found);
      return found;
    },
    async close() {
      isClosed = true;
      await Promise.all([...dispatchers.values()].map((dispatcher) => dispatcher.destroy()));
    },
  };
}
