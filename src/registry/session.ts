/**
 * Requests to one registry: authentication, redirects, the choice of https or http, and
 * repetition after failures that may pass.
 */
import type { Readable } from 'node:stream';
import { WiacError } from '../errors.js';
import { ImageError } from '../oci/errors.js';
import { collect } from '../oci/resolve.js';
import { VERSION } from '../version.js';
import { type Authenticator, openAuthenticator, type TokenRequest } from './auth.js';
import { type Endpoint, endpointOf, type RegistryConfig } from './config.js';
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
/** A 401 may come once for lack of a token, and once for a token that just ran out. */
const MAX_RENEWALS = 2;
const MAX_TOKEN_BYTES = 1024 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const TLS_TROUBLE = /^(?:EPROTO|ERR_SSL_|ECONNRESET|UND_ERR_SOCKET|HPE_)/;
/** Codes of OpenSSL for a certificate that nobody vouches for. */
const NOT_TRUSTED = /CERT|SIGNATURE/;

async function exchange(
  dispatcher: Transport['dispatcher'],
  url: URL,
  init: {
    method: Method;
    headers: Readonly<Record<string, string>>;
    body?: Readable | Uint8Array | string;
    signal?: AbortSignal;
  },
): Promise<RegistryResponse> {
  const { statusCode, headers, body } = await send(dispatcher(url), url, {
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

/** https or http; undefined until one of them worked. */
type Scheme = { current: 'https' | 'http' | undefined };

/** Follows redirects. Authorization goes to the registry itself only, never to another origin. */
async function follow(
  dispatcher: Transport['dispatcher'],
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
    const response = await exchange(dispatcher, url, {
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
      exchange(transport.dispatcher, url, {
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
  const scheme: Scheme = { current: undefined };
  const mayTrust = (url: URL) => !endpoint.verifyCertificate && url.host === endpoint.address;
  const transport = openTransport(config, mayTrust);
  const auth: Authenticator = openAuthenticator({
    registry: host,
    credentials: async () =>
      options.credentials ?? (await findCredentials(host, repository, config.env)),
    mayUseHttp: endpoint.mayUseHttp,
    send: tokenSender(transport, host, retry),
    now,
  });
  const origin = () => `${scheme.current ?? 'https'}://${endpoint.address}`;

  const attempt = async (
    request: RegistryRequest,
    authorization: string | undefined,
  ): Promise<RegistryResponse> => {
    const { target } = request;
    // Whether it is https is to be found out: what answers is mostly a registry of this machine.
    const probing = endpoint.mayUseHttp && scheme.current === undefined;
    const go = (dispatcher: Transport['dispatcher']) => {
      const url = typeof target === 'string' ? new URL(`/v2/${target}`, origin()) : target;
      const trusted = new URL(origin()).origin;
      return follow(dispatcher, url, request, authorization, trusted, endpoint);
    };
    try {
      const response = await go(probing ? transport.probe : transport.dispatcher);
      scheme.current ??= 'https';
      return response;
    } catch (error) {
      const failed = (reason: RegExp) => errorCodes(error).some((code) => reason.test(code));
      // Requests that began together all have to find out, whichever is first.
      if (probing && scheme.current !== 'https' && failed(TLS_TROUBLE)) scheme.current = 'http';
      else if (probing && failed(NOT_TRUSTED)) scheme.current = 'https';
      else throw error;
      return go(transport.dispatcher);
    }
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
