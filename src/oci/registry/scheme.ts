/** https or http: which of the two a registry speaks shows with the first answer. */
import { type Endpoint, getHostname, isLoopback } from './auth-config.js';
import type { RegistryResponse } from './exchange.js';
import { errorCodes } from './retry.js';

export type Scheme = 'https' | 'http';

/**
 * What comes of TLS with a server that speaks none, and the other way round. UND_ERR_ABORTED: a proxy makes no tunnel to
 * the port.
 */
const WRONG_SCHEME = /^(?:EPROTO|ERR_SSL_|ECONNRESET|UND_ERR_SOCKET|UND_ERR_ABORTED|HPE_)/;
/** Registries say so with each answer of their own (Docker's registry API, "API Version Check"). */
const REGISTRY_HEADER = 'docker-distribution-api-version';
/** So do most servers with TLS answer to a request without; also when a registry is behind them. */
const WANTS_TLS = new Set([400, 426]);

/** Is it a registry that answers to http, and not a proxy in front of its TLS port? */
function isOfRegistry({ status, url, header }: RegistryResponse, { address }: Endpoint): boolean {
  if (WANTS_TLS.has(status)) return false;
  if (url.protocol === 'https:' && getHostname(url.host) === getHostname(address)) return false;
  return status < 400 || header(REGISTRY_HEADER) !== undefined;
}

/**
 * Is http asked first? On this machine registries rarely speak TLS, and nothing that is secret goes
 * out with a first request; to get ready for TLS takes 30 ms.
 */
function isPlainFirst({ mayUseHttp, address }: Endpoint): boolean {
  // Without a port the two schemes are two servers.
  return mayUseHttp && isLoopback(getHostname(address)) && /:\d+$/.test(address);
}

/** Sends the request of an attempt with one of the schemes. */
type Ask = (scheme: Scheme) => Promise<RegistryResponse>;

/** An answer, and the scheme that it came with. */
interface Answer {
  readonly scheme: Scheme;
  readonly response: RegistryResponse;
}

/** Says of an error whether a server that speaks the other scheme may be behind it. */
type IsOther = (error: unknown, scheme: Scheme) => boolean;

/** https, and http where the server turns out to speak no TLS. */
async function secureFirst(ask: Ask, { mayUseHttp }: Endpoint, isOther: IsOther): Promise<Answer> {
  try {
    return { scheme: 'https', response: await ask('https') };
  } catch (error) {
    if (!mayUseHttp || !isOther(error, 'https')) throw error;
  }
  return { scheme: 'http', response: await ask('http') };
}

/** http, and https where that was no registry; when https comes to nothing, what http gave counts. */
async function plainFirst(ask: Ask, endpoint: Endpoint, isOther: IsOther): Promise<Answer> {
  const plain = await ask('http').catch((error: unknown) => ({ error }));
  if ('error' in plain && !isOther(plain.error, 'http')) throw plain.error;
  if (!('error' in plain) && isOfRegistry(plain, endpoint))
    return { scheme: 'http', response: plain };
  try {
    const response = await ask('https');
    if (!('error' in plain)) await plain.dump();
    return { scheme: 'https', response };
  } catch (error) {
    const isPlain = isOther(error, 'https');
    if ('error' in plain) throw isPlain ? plain.error : error;
    if (isPlain) return { scheme: 'http', response: plain };
    await plain.dump();
    throw error;
  }
}

/** Finds out which scheme a registry speaks. */
export interface SchemeFinder {
  /** Origin of the registry with a scheme; undefined: the one that is known, else https. */
  origin(scheme?: Scheme): string;
  /** Asks with the scheme that is known, or with each until one works. */
  find(ask: Ask): Promise<RegistryResponse>;
}

export function schemeFinder(endpoint: Endpoint): SchemeFinder {
  let known: Scheme | undefined;
  const first = isPlainFirst(endpoint) ? plainFirst : secureFirst;
  // Requests that began together find it out together: what one of them knows is no doubt any more.
  const isOther: IsOther = (error, scheme) =>
    known !== scheme && errorCodes(error).some((code) => WRONG_SCHEME.test(code));
  return {
    origin: (scheme = known ?? 'https') => `${scheme}://${endpoint.address}`,
    async find(ask) {
      if (known !== undefined) return ask(known);
      const { scheme, response } = await first(ask, endpoint, isOther);
      known ??= scheme;
      return response;
    },
  };
}
