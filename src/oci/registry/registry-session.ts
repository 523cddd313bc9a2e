/**
 * Requests to one registry: authentication, redirects, the choice of https or http, and
 * repetition after failures that may pass.
 */
import type { Readable } from 'node:stream';
import { WiacError } from '../../util/errors.js';
import { VERSION } from '../../util/version.js';
import { ImageError } from '../image-error.js';
import { collect } from '../resolve.js';
import { type Authenticator, openAuthenticator, type TokenRequest } from './auth.js';
import {
  type Endpoint,
  endpointOf,
  hostnameOf,
  isLoopback,
  type RegistryConfig,
} from './auth-config.js';
import { certificatesFor } from './certificates.js';
import { type Credentials, findCredentials } from './credentials.js';
import { send } from './http.js';
import { connectionError, statusError } from './http-errors.js';
import {
  DEFAULT_RETRY,
  errorCodes,
  isTransientError,
  isTransientStatus,
  parseRetryAfter,
  type RetryPolicy,
  retryDelay,
} from './retry.js';
import { openTransport, type Transport } from './transport.js';

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A request to a registry. */
export interface RegistryRequest {
  readonly method: Method;
  /** Below `/v2/`, or the URL that the registry gave. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Token scopes, `repository:NAME:pull` and so on. */
  readonly scopes: readonly string[];
  /** Called again for each attempt. */
  readonly body?: () => Readable | Uint8Array | Promise<Readable | Uint8Array>;
  /** Statuses that the caller wants to see; all others are errors. */
  readonly expect: readonly number[];
  /** What is being done, for messages: "pull docker.io/library/debian:12". */
  readonly what: string;
  /** False when the caller repeats requests itself. */
  readonly retry?: boolean;
  readonly signal?: AbortSignal;
}

/** An answer; its body has to be read or dumped. */
export interface RegistryResponse {
  readonly status: number;
  /** Of the request that was answered in the end, after redirects. */
  readonly url: URL;
  /** Value of a header, the name in lower case. */
  header(name: string): string | undefined;
  readonly body: Readable;
  /** Reads the body and forgets it, so that the connection can be used again. */
  dump(): Promise<void>;
}

/** Connections and authentication for one repository of one registry. */
export interface RegistrySession {
  readonly registry: string;
  readonly retry: RetryPolicy;
  /** @throws ImageError */
  request(request: RegistryRequest): Promise<RegistryResponse>;
  close(): Promise<void>;
}

/** What differs from one wiac process, or one test, to another. */
export interface SessionOptions {
  readonly config: RegistryConfig;
  readonly retry?: RetryPolicy;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Used instead of what the files and helpers of this machine know. */
  readonly credentials?: Credentials;
}

const MAX_REDIRECTS = 5;
/** Milliseconds: a registry reads a whole blob again before it answers to its last request. */
const PUT_MS = 10 * 60_000;
/**
 * A 401 may come once for lack of a token, once for a token that just ran out, and again where
 * requests that are under way at the same time use up each other's.
 */
const MAX_RENEWALS = 5;
const MAX_TOKEN_BYTES = 1024 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** What comes of TLS with a server that speaks none, and the other way round. */
const WRONG_SCHEME = /^(?:EPROTO|ERR_SSL_|ECONNRESET|UND_ERR_SOCKET|HPE_)/;
/** Registries say so with each answer of their own (Docker's registry API, "API Version Check"). */
const REGISTRY_HEADER = 'docker-distribution-api-version';
/** So do most servers with TLS answer to a request without; also when a registry is behind them. */
const WANTS_TLS = new Set([400, 426]);

/** Is it a registry that answers to http, and not whoever keeps watch over its TLS? */
function isOfRegistry({ status, url, header }: RegistryResponse, { address }: Endpoint): boolean {
  if (WANTS_TLS.has(status)) return false;
  if (url.protocol === 'https:' && hostnameOf(url.host) === hostnameOf(address)) return false;
  return status < 400 || header(REGISTRY_HEADER) !== undefined;
}

async function exchange(
  transport: Transport,
  url: URL,
  init: {
    method: Method;
    headers: Readonly<Record<string, string>>;
    body?: Readable | Uint8Array | string;
    signal?: AbortSignal;
  },
): Promise<RegistryResponse> {
  const { statusCode, headers, body } = await send(transport.dispatcher(url), url, {
    method: init.method,
    headers: { 'user-agent': `wiac/${VERSION}`, ...init.headers },
    ...(init.body === undefined ? {} : { body: init.body }),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
    ...(init.method === 'PUT' ? { headersTimeout: PUT_MS } : {}),
  });
  return {
    status: statusCode,
    url,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body,
    dump: async () => {
      await body.dump().catch(() => undefined);
    },
  };
}

type Scheme = 'https' | 'http';

/**
 * What to try until one works. On this machine registries rarely speak TLS, and nothing that is
 * secret goes out with a first request; to get ready for TLS takes 30 ms.
 */
function schemesOf({ mayUseHttp, address }: Endpoint): readonly Scheme[] {
  // Without a port the two schemes are two servers.
  if (mayUseHttp && isLoopback(hostnameOf(address)) && /:\d+$/.test(address))
    return ['http', 'https'];
  return mayUseHttp ? ['https', 'http'] : ['https'];
}

/** Follows redirects. Authorization goes to the registry itself only, never to another origin. */
async function follow(
  transport: Transport,
  start: URL,
  request: RegistryRequest,
  authorization: string | undefined,
  trustedOrigin: string,
  endpoint: Endpoint,
): Promise<RegistryResponse> {
  let url = start;
  let method = request.method;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const own = authorization !== undefined && url.origin === trustedOrigin;
    const withBody = request.body !== undefined && method === request.method;
    const response = await exchange(transport, url, {
      method,
      headers: { ...request.headers, ...(own ? { authorization } : {}) },
      ...(withBody && request.body ? { body: await request.body() } : {}),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    const location = response.header('location');
    if (!REDIRECTS.has(response.status) || location === undefined) return response;
    await response.dump();
    const next = new URL(location, url);
    const downgrade = url.protocol === 'https:' && next.protocol !== 'https:';
    if (!/^https?:$/.test(next.protocol) || (downgrade && !endpoint.mayUseHttp))
      throw new ImageError(
        `${request.what}: registry ${endpoint.host} redirects from https to ${next.origin}`,
        { registry: endpoint.host, status: response.status },
      );
    if (response.status === 303 && method !== 'HEAD') method = 'GET';
    url = next;
  }
  throw new ImageError(`${request.what}: registry ${endpoint.host} redirects without end`, {
    registry: endpoint.host,
  });
}

function tokenSender(
  transport: Transport,
  registry: string,
  retry: RetryPolicy,
): (request: TokenRequest) => Promise<unknown> {
  return async ({ method, url, headers, body }) => {
    const what = `get a token from ${url.host}`;
    const response = await repeat(retry, registry, what, [200], true, () =>
      exchange(transport, url, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      }),
    );
    const text = (await collect(response.body, MAX_TOKEN_BYTES, 'the token')).toString();
    try {
      return JSON.parse(text) as unknown;
    } catch {
      throw new ImageError(`the token server ${url.host} of ${registry} wrote no JSON`, {
        registry,
      });
    }
  };
}

/** Repeats an attempt as long as its failure may pass and the policy allows it. */
async function repeat(
  policy: RetryPolicy,
  registry: string,
  what: string,
  expect: readonly number[],
  mayRetry: boolean,
  attempt: () => Promise<RegistryResponse>,
): Promise<RegistryResponse> {
  for (let made = 1; ; made++) {
    const again = mayRetry && made < policy.attempts;
    let retryAfter: number | undefined;
    try {
      const response = await attempt();
      if (expect.includes(response.status)) return response;
      if (!again || !isTransientStatus(response.status))
        throw await statusError(response, registry, what);
      retryAfter = parseRetryAfter(response.header('retry-after'), Date.now());
      await response.dump();
    } catch (error) {
      if (error instanceof WiacError) throw error;
      if (!again || !isTransientError(error)) throw connectionError(error, registry, what);
    }
    await policy.wait(retryDelay(made, retryAfter, policy));
  }
}

/**
 * Opens a session; nothing is sent before the first request.
 * @param host as in a reference
 */
export function openSession(
  host: string,
  repository: string,
  options: SessionOptions,
): RegistrySession {
  const { config, retry = DEFAULT_RETRY, now = Date.now } = options;
  const endpoint = endpointOf(host, config);
  const schemes = schemesOf(endpoint);
  /** The one that worked. */
  let known: Scheme | undefined;
  const mayTrust = (url: URL) => !endpoint.verifyCertificate && url.host === endpoint.address;
  const transport = openTransport(config, mayTrust, () => certificatesFor(host, config));
  const auth: Authenticator = openAuthenticator({
    registry: host,
    credentials: async () =>
      options.credentials ?? (await findCredentials(host, repository, config.env)),
    mayUseHttp: endpoint.mayUseHttp,
    send: tokenSender(transport, host, retry),
    now,
  });
  const origin = (scheme = known ?? 'https') => `${scheme}://${endpoint.address}`;

  const ask = (
    request: RegistryRequest,
    authorization: string | undefined,
    scheme: Scheme,
  ): Promise<RegistryResponse> => {
    const { target } = request;
    const url = typeof target === 'string' ? new URL(`/v2/${target}`, origin(scheme)) : target;
    const trusted = new URL(origin(scheme)).origin;
    return follow(transport, url, request, authorization, trusted, endpoint);
  };

  /** Finds out which scheme it is; requests that began together all have to. */
  const attempt = async (
    request: RegistryRequest,
    authorization: string | undefined,
  ): Promise<RegistryResponse> => {
    if (known !== undefined) return ask(request, authorization, known);
    // What http gave counts, when https comes to nothing.
    let refused: RegistryResponse | undefined;
    let failure: unknown;
    for (const scheme of schemes) {
      const last = scheme === schemes.at(-1);
      try {
        const response = await ask(request, authorization, scheme);
        if (scheme === 'http' && !last && !isOfRegistry(response, endpoint)) {
          refused = response;
          continue;
        }
        known ??= scheme;
        await refused?.dump();
        return response;
      } catch (error) {
        if (!errorCodes(error).some((code) => WRONG_SCHEME.test(code)) || known === scheme) {
          await refused?.dump();
          throw error;
        }
        if (scheme === 'http') failure = error;
        if (last && refused === undefined) throw failure ?? error;
      }
    }
    known ??= 'http';
    return refused as RegistryResponse;
  };

  const authenticated = async (request: RegistryRequest): Promise<RegistryResponse> => {
    for (let renewals = 0; ; renewals++) {
      const authorization = await auth.header(request.scopes);
      const response = await attempt(request, authorization);
      // A 401 of another server, after a redirect, is not about our credentials.
      const ours = response.status === 401 && response.url.origin === new URL(origin()).origin;
      if (!ours || renewals === MAX_RENEWALS) return response;
      await response.dump();
      auth.challenged(response.header('www-authenticate'), authorization);
    }
  };

  return {
    registry: host,
    retry,
    request: (request) =>
      repeat(retry, host, request.what, request.expect, request.retry ?? true, () =>
        authenticated(request),
      ),
    close: () => transport.close(),
  };
}
