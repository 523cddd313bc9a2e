/** Connections over HTTP/1.1, direct or through a proxy, as undici dispatchers. */
import type { Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';

/** How a connection is made. */
export interface ConnectionOptions {
  /** URL of the proxy for a server; undefined for a direct connection. */
  readonly proxy: (server: URL) => string | undefined;
  /** Options of tls.connect, and `timeout`, the milliseconds until a connection has to be there. */
  readonly connect: buildConnector.BuildOptions;
  /** Options of tls.connect for a proxy that speaks TLS. */
  readonly proxyTls: buildConnector.BuildOptions;
  /** Milliseconds until a silent server counts as gone; undici's own (5 minutes) when undefined. */
  readonly silence?: number;
}

/** A connection that was cut off: worth another attempt (retry.ts). */
function resetError(cause: Error): Error {
  return Object.assign(new Error('the server reset the connection', { cause }), {
    code: 'UND_ERR_SOCKET',
  });
}

/**
 * Keeps the end of a connection from undici until it has taken all that came before. undici's parser
 * pauses while nobody takes the body, and a paused parser that is told of the end fails an assertion
 * in a callback that nobody can catch (nodejs/undici, issue 5360; mended in versions that Node 20
 * can't run). A parser that is not paused reads until there is nothing more: then it may be told.
 */
export function deferEnd(socket: Socket): Socket {
  const push = socket.push.bind(socket);
  const read = socket.read.bind(socket);
  let isWaiting = true;
  let isEnd = false;
  socket.push = (chunk, encoding) => {
    if (chunk !== null || isWaiting) return push(chunk, encoding);
    isEnd = true;
    return false;
  };
  socket.read = (size) => {
    // Of bytes that are asked for by their number Node does not tell that they were the last.
    const bytes = read(size ?? (socket.readableLength || undefined));
    // Node itself reads 0 bytes to be told of more.
    if (size !== undefined) return bytes;
    isWaiting = bytes === null;
    if (isWaiting && isEnd) {
      isEnd = false;
      process.nextTick(() => {
        push(null);
        read(0);
      });
    }
    return bytes;
  };
  // For undici a reset is an end as well, and the body before it complete. It may be cut off.
  const destroy = socket.destroy.bind(socket);
  socket.destroy = (error) => {
    const isReset = (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET';
    return destroy(error && isReset ? resetError(error) : error);
  };
  return socket;
}

function deferring(connector: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connector(options, (...[error, socket]) => {
      if (error === null) callback(null, deferEnd(socket) as typeof socket);
      else callback(error, null);
    });
}

/**
 * For connections to an https proxy, which undici would ask for the certificate of another server: of the one that the
 * request is for, or of an address, which is no name (RFC 6066, 3; Node 26 refuses it). Without a name the connector
 * takes the proxy's own, if it has one.
 */
function unnamed(connector: buildConnector.connector): buildConnector.connector {
  return ({ servername: _, ...options }, callback) => connector(options, callback);
}

/** What a proxy is told who uses it. */
function proxyCredentials({ username, password }: URL): readonly string[] {
  if (username === '') return [];
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return ['proxy-authorization', `Basic ${Buffer.from(pair).toString('base64')}`];
}

function flatHeaders(headers: Dispatcher.DispatchOptions['headers']): string[] {
  if (Array.isArray(headers)) return headers;
  const pairs = Symbol.iterator in (headers ?? {}) ? headers : Object.entries(headers ?? {});
  return [...(pairs as Iterable<[string, string | string[] | undefined]>)].flatMap(
    ([name, value]) => [value ?? []].flat().flatMap((one) => [name, one]),
  );
}

/**
 * Requests for http: URLs, which a proxy is given as a whole (RFC 9112, absolute-form). Proxies rarely make a tunnel to
 * any port but 443.
 */
function askProxy(proxy: URL, server: URL, pool: Pool.Options): Dispatcher {
  const added = proxyCredentials(proxy);
  const asking = new Pool(proxy.origin, pool);
  const dispatch = asking.dispatch.bind(asking);
  asking.dispatch = (options, handler) => {
    const headers = flatHeaders(options.headers);
    const host = headers.some((one, at) => at % 2 === 0 && one.toLowerCase() === 'host')
      ? []
      : ['host', server.host];
    const path = `${server.origin}${options.path}`;
    return dispatch({ ...options, path, headers: [...host, ...headers, ...added] }, handler);
  };
  return asking;
}

/** Connections to any server, each by the proxy that is for it; close with `destroy`. */
export function openConnections(options: ConnectionOptions): Dispatcher {
  const { connect, proxyTls, silence } = options;
  const limits = silence === undefined ? {} : { headersTimeout: silence, bodyTimeout: silence };
  const straight = (tls: buildConnector.BuildOptions) => deferring(buildConnector(tls));
  const open = (origin: URL): Dispatcher => {
    const proxy = options.proxy(origin);
    if (proxy === undefined) return new Pool(origin, { ...limits, connect: straight(connect) });
    if (origin.protocol === 'http:')
      return askProxy(new URL(proxy), origin, { ...limits, connect: unnamed(straight(proxyTls)) });
    return new ProxyAgent({
      ...limits,
      uri: proxy,
      connect,
      proxyTls,
      requestTls: connect,
      // Of its own it waits 5 minutes for a proxy that does not answer.
      clientFactory: (url, pool: Pool.Options) =>
        new Pool(url.origin, {
          ...pool,
          ...limits,
          connect: unnamed(pool.connect as buildConnector.connector),
        }),
      // ProxyAgent makes the tunnel itself and gives it to each pool as a connector.
      factory: (tunnelled, pool: Pool.Options) =>
        new Pool(tunnelled, {
          ...pool,
          connect: deferring(pool.connect as buildConnector.connector),
        }),
    });
  };
  return new Agent({ ...limits, factory: (origin) => open(new URL(origin)) });
}
