/** Servers that close the connection behind a body, with a reader that is slower than they are. */
import { once } from 'node:events';
import type { Server } from 'node:net';
import { connect as connectTo, createServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { deferEnd, openConnections } from '../../src/oci/registry/connections.js';
import { send } from '../../src/oci/registry/http.js';
import { isTransientError } from '../../src/oci/registry/retry.js';

const HEAD = 'HTTP/1.0 200 OK\r\n';
const SIZE = 1 << 20;
/** Bytes of a body that are sent one by one: many ends, of which each may meet a pause. */
const ENDS = 8;

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  opened.push(() => server.close());
  return (server.address() as { port: number }).port;
}

/**
 * Answers with a body, and ends the connection.
 * @param pause milliseconds between the two
 */
function answer(headers: string, pause = 0): Promise<number> {
  return listen((socket) =>
    socket.once('data', async () => {
      socket.write(`${HEAD}${headers}\r\n`);
      if (pause > 0) {
        socket.write(Buffer.alloc(SIZE, 'x'));
        await sleep(pause);
        socket.end();
      } else socket.end(Buffer.alloc(SIZE, 'x'));
    }),
  );
}

/** A proxy that makes tunnels (RFC 9110, CONNECT). */
function proxy(): Promise<number> {
  return listen((socket) =>
    socket.once('data', (head) => {
      const [, port] = /^CONNECT 127\.0\.0\.1:(\d+) /.exec(String(head)) ?? [];
      const behind = connectTo(Number(port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        socket.pipe(behind).pipe(socket);
      });
      behind.on('error', () => socket.destroy());
    }),
  );
}

/** Reads as one does who has other things to do: undici's parser pauses meanwhile. */
async function readSlowly(port: number, through?: number): Promise<number> {
  const connections = openConnections({
    proxy: through === undefined ? undefined : `http://127.0.0.1:${through}`,
    connect: {},
    proxyTls: {},
  });
  opened.push(() => void connections.destroy());
  const url = new URL(`http://127.0.0.1:${port}/`);
  const { body } = await send(connections, url, { method: 'GET' });
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    await sleep(5);
  }
  return bytes;
}

test.each([
  ['its length in a header', `Content-Length: ${SIZE}\r\n`, 0],
  ['no length', '', 0],
  ['its length, and an end that comes later,', `Content-Length: ${SIZE}\r\n`, 10],
  ['no length, and an end that comes later,', '', 10],
])('a body with %s that ends with its connection is read to the end', async (_, headers, pause) => {
  const port = await answer(headers, pause);
  const sizes = await Promise.all(Array.from({ length: ENDS }, () => readSlowly(port)));
  expect(sizes).toEqual(Array(ENDS).fill(SIZE));
  expect(await readSlowly(port, await proxy())).toBe(SIZE);
});

test('a body that is shorter than its length is a failure', async () => {
  const read = readSlowly(await answer(`Content-Length: ${SIZE + 1}\r\n`));
  await expect(read).rejects.toMatchObject({ code: expect.stringMatching(/^UND_ERR/) });
  expect(isTransientError(await read.catch((error) => error))).toBe(true);
});

test('a reset is a failure that may pass, not the end of a body', async () => {
  const socket = deferEnd(new Socket());
  const failed = once(socket, 'error').then(([error]) => error);
  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  socket.destroy(reset);
  expect(await failed).toMatchObject({ code: 'UND_ERR_SOCKET', cause: reset });
  expect(isTransientError(await failed)).toBe(true);
});
