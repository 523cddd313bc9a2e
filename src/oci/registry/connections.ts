/** Connections over HTTP/1.1, direct or through a proxy, as undici dispatchers. */
import type { Socket } from 'node:net';
import { Agent, buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';

/** How a connection is made. */
export interface ConnectionOptions {
  /** URL of a proxy; undefined for a direct connection. */
  readonly proxy: string | undefined;
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

/** Connections to any server; close with `destroy`. */
export function openConnections(options: ConnectionOptions): Dispatcher {
  const { proxy, connect, proxyTls, silence } = options;
  const limits = silence === undefined ? {} : { headersTimeout: silence, bodyTimeout: silence };
  if (proxy === undefined)
    return new Agent({ ...limits, connect: deferring(buildConnector(connect)) });
  return new ProxyAgent({
    ...limits,
    uri: proxy,
    connect,
    proxyTls,
    requestTls: connect,
    // ProxyAgent makes the tunnel itself and gives it to each pool as a connector.
    factory: (origin, pool: Pool.Options) =>
      new Pool(origin, {
        ...pool,
        connect: deferring(pool.connect as buildConnector.connector),
      }),
  });
}
