/** Requests to one registry: authentication, and repetition after failures that may pass. */
import { WiacError } from '../../util/errors.js';
import { ImageError } from '../image-error.js';
import { type Authenticator, openAuthenticator, type TokenRequest } from './auth.js';
import { getEndpoint, type RegistryConfig } from './auth-config.js';
import { certificatesFor } from './certificates.js';
import { type Credentials, findCredentials } from './credentials.js';
import { exchange, follow, type RegistryRequest, type RegistryResponse } from './exchange.js';
import { connectionError, readRefusal, statusError } from './http-errors.js';
import { readBody } from './read-body.js';
import {
  DEFAULT_RETRY,
  isTransientStatus,
  mayReconnect,
  parseRetryAfter,
  type RetryPolicy,
  retryDelay,
} from './retry.js';
import { type SchemeFinder, schemeFinder } from './scheme.js';
import { openTransport, type Transport } from './transport.js';

/** Connections and authentication for one repository of one registry. */
export interface RegistrySession {
  readonly registry: string;
  readonly retry: RetryPolicy;
  /** @throws ImageError */
  request(request: RegistryRequest): Promise<RegistryResponse>;
  close(): Promise<void>;
}

/** What messages call reading and writing: an artifact may be no image. */
export interface Verbs {
  readonly read: string;
  readonly write: string;
}

/** What differs from one wiac process, or one test, to another. */
export interface SessionOptions {
  readonly config: RegistryConfig;
  readonly retry?: RetryPolicy;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Used instead of what the files and helpers of this machine know. */
  readonly credentials?: Credentials;
  readonly verbs?: Verbs;
}

/**
 * A 401 may come once for lack of a token, once for a token that just ran out, and again where
 * requests that are under way at the same time use up each other's.
 */
const MAX_RENEWALS = 5;
const MAX_TOKEN_BYTES = 1024 * 1024;
function tokenSender(
  transport: Transport,
  registry: string,
  retry: RetryPolicy,
): (request: TokenRequest) => Promise<unknown> {
  return async ({ method, url, headers, body }) => {
    const what = `get a token from ${url.host}`;
    const response = await repeat(retry, registry, { what, expect: [200] }, () =>
      exchange(transport, url, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      }),
    );
    const text = (await readBody(response, MAX_TOKEN_BYTES, what)).toString();
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
  request: Pick<RegistryRequest, 'what' | 'expect' | 'retry' | 'passing'>,
  attempt: () => Promise<RegistryResponse>,
): Promise<RegistryResponse> {
  const { what, expect, retry = true, passing = [] } = request;
  const begun = performance.now();
  for (let made = 1; ; made++) {
    const again = retry && made < policy.attempts;
    let retryAfter: number | undefined;
    try {
      const response = await attempt();
      if (expect.includes(response.status)) return response;
      const refusal = await readRefusal(response);
      const mayPass =
        isTransientStatus(response.status) || refusal.codes.some((code) => passing.includes(code));
      if (!again || !mayPass) throw statusError(response, refusal, registry, what);
      retryAfter = parseRetryAfter(response.header('retry-after'), Date.now());
    } catch (error) {
      if (error instanceof WiacError) throw error;
      const waited = performance.now() - begun;
      if (!retry || !mayReconnect(error, made, waited, policy))
        throw connectionError(error, registry, what);
    }
    await policy.wait(retryDelay(made, retryAfter, policy));
  }
}

/** Sends a request again with what a 401 asks for. */
async function withAuthorization(
  auth: Authenticator,
  schemes: SchemeFinder,
  request: RegistryRequest,
  ask: (authorization: string | undefined) => Promise<RegistryResponse>,
): Promise<RegistryResponse> {
  for (let renewals = 0; ; renewals++) {
    const authorization = await auth.header(request.scopes);
    const response = await ask(authorization);
    // A 401 of another server, after a redirect, is not about our credentials.
    const { origin } = new URL(schemes.origin());
    const isOurs = response.status === 401 && response.url.origin === origin;
    if (!isOurs || renewals === MAX_RENEWALS) return response;
    await response.dump();
    auth.challenged(response.header('www-authenticate'), authorization);
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
  const endpoint = getEndpoint(host, config);
  const schemes = schemeFinder(endpoint);
  const mayTrust = (url: URL) => !endpoint.verifyCertificate && url.host === endpoint.address;
  const transport = openTransport(config, mayTrust, retry, () => certificatesFor(host, config));
  const auth = openAuthenticator({
    registry: host,
    credentials: async () =>
      options.credentials ?? (await findCredentials(host, repository, config.env)),
    mayUseHttp: endpoint.mayUseHttp,
    send: tokenSender(transport, host, retry),
    now,
  });
  const attempt = (request: RegistryRequest) =>
    withAuthorization(auth, schemes, request, (authorization) =>
      schemes.find((scheme) => {
        const { target } = request;
        const { origin } = new URL(schemes.origin(scheme));
        const url = typeof target === 'string' ? new URL(`/v2/${target}`, origin) : target;
        return follow(transport, url, request, authorization, origin, endpoint);
      }),
    );
  return {
    registry: host,
    retry,
    request: (request) => repeat(retry, host, request, () => attempt(request)),
    close: () => transport.close(),
  };
}
