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
 * Keeps the end of a connection from undici until it has taken all that came before. When all bytes
 * are read at once, Node tells the end together with the last of them. undici's parser may have
 * paused in there, because nobody took the body yet, and a paused parser that is told of the end
 * fails an assertion in a callback that nobody can catch (nodejs/undici, issue 5360; mended in
 * versions that Node 20 can't run). Asked for a number of bytes Node leaves the end to the next read,
 * and a paused parser does not read.
 */
export function deferEnd(socket: Socket): Socket {
  const read = socket.read.bind(socket);
  socket.read = (size) => read(size ?? (socket.readableLength || undefined));
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
