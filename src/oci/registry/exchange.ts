/** One request to a registry and its answer, wherever redirects lead it. */
import type { Readable } from 'node:stream';
import { VERSION } from '../../util/version.js';
import { ImageError } from '../image-error.js';
import type { Endpoint } from './auth-config.js';
import { send } from './http.js';
import { headerUrl } from './http-errors.js';
import type { Transport } from './transport.js';

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
  /** Codes of a registry's errors that may pass, as a status of 503 does. */
  readonly passing?: readonly string[];
  /** False when the caller repeats requests itself. */
  readonly retry?: boolean;
  readonly signal?: AbortSignal;
  /** Milliseconds until a server that does not answer counts as gone, where that is not as usual. */
  readonly silence?: number;
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

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Sends one request. */
export async function exchange(
  transport: Transport,
  url: URL,
  init: {
    method: Method;
    headers: Readonly<Record<string, string>>;
    body?: Readable | Uint8Array | string;
    signal?: AbortSignal;
    silence?: number;
  },
): Promise<RegistryResponse> {
  const { statusCode, headers, body } = await send(transport.dispatcher(url), url, {
    method: init.method,
    headers: { 'user-agent': `wiac/${VERSION}`, ...init.headers },
    ...(init.body === undefined ? {} : { body: init.body }),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
    ...(init.silence === undefined ? {} : { headersTimeout: init.silence }),
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

/** Follows redirects. Authorization goes to the registry itself only, never to another origin. */
export async function follow(
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
      ...(request.silence === undefined ? {} : { silence: request.silence }),
    });
    const location = response.header('location');
    if (!REDIRECTS.has(response.status) || location === undefined) return response;
    await response.dump();
    const next = headerUrl(location, response, endpoint.host, request.what);
    const downgrade = url.protocol === 'https:' && next.protocol !== 'https:';
    if (downgrade && !endpoint.mayUseHttp)
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
