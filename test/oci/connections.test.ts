/** Servers that close the connection behind a body, with a reader that is slower than they are. */
import { once } from 'node:events';
import type { Server } from 'node:net';
import { connect as connectTo, createServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import undici from 'undici';
import { parseRegistryReference } from '../../src/oci/reference.js';
import { deferEnd, openConnections } from '../../src/oci/registry/connections.js';
import { send } from '../../src/oci/registry/http.js';
import { connectionError } from '../../src/oci/registry/http-errors.js';
import { registrySource } from '../../src/oci/registry/registry.js';
import { isTransientError } from '../../src/oci/registry/retry.js';
import { options } from './registry/helpers.js';

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

/** A proxy for http: URLs. */
function proxy(): Promise<number> {
  return listen((socket) =>
    socket.once('data', (head) => {
      const [, port] = /^GET http:\/\/127\.0\.0\.1:(\d+)\/ /.exec(String(head)) ?? [];
      const behind = connectTo(Number(port), '127.0.0.1', () => {
        behind.write(head);
        socket.pipe(behind).pipe(socket);
      });
      behind.on('error', () => socket.destroy());
    }),
  );
}

/** Reads as one does who has other things to do: undici's parser pauses meanwhile. */
async function readSlowly(port: number, through?: number): Promise<number> {
  const connections = openConnections({
    proxy: () => (through === undefined ? undefined : `http://127.0.0.1:${through}`),
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

/** A proxy as many are set: tunnels for port 443 alone, and all else by the whole URL, of those who give their name. */
async function strictProxy(): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const port = await listen((socket) =>
    socket.on('data', (head) => {
      const [line = '', ...headers] = String(head).split('\r\n');
      asked.push(line);
      const find = (name: string) =>
        headers.find((one) => one.toLowerCase().startsWith(`${name}: `));
      if (line.startsWith('CONNECT')) {
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      const body = `${find('host')} ${find('proxy-authorization')}`;
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }),
  );
  return { port, asked };
}

test('a proxy gets the URL of what is http, and who asks', async () => {
  const { port, asked } = await strictProxy();
  const connections = openConnections({
    proxy: () => `http://ann:s%3Ecret@127.0.0.1:${port}`,
    connect: {},
    proxyTls: {},
  });
  opened.push(() => void connections.destroy());
  const told = `host: files.test:81 proxy-authorization: Basic ${btoa('ann:s>cret')}`;
  const { body } = await send(connections, new URL('http://files.test:81/a?b'), { method: 'GET' });
  expect((await body.text()).replace(/^Host/, 'host')).toBe(told);
  const fetched = await undici.fetch('http://files.test:81/a?b', { dispatcher: connections });
  expect((await fetched.text()).replace(/^Host/, 'host')).toBe(told);
  const line = 'GET http://files.test:81/a?b HTTP/1.1';
  expect(asked).toEqual([line, line]);
});

test('each server has its own proxy, or none', async () => {
  const { port, asked } = await strictProxy();
  const direct = await listen((socket) =>
    socket.once('data', () =>
      socket.end('HTTP/1.1 302 Found\r\nLocation: http://files.test/\r\nContent-Length: 0\r\n\r\n'),
    ),
  );
  const connections = openConnections({
    proxy: ({ hostname }) => (hostname === '127.0.0.1' ? undefined : `http://127.0.0.1:${port}`),
    connect: {},
    proxyTls: {},
  });
  opened.push(() => void connections.destroy());
  const { status } = await undici.fetch(`http://127.0.0.1:${direct}/`, { dispatcher: connections });
  expect(status).toBe(200);
  expect(asked).toEqual(['GET http://files.test/ HTTP/1.1']);
});

test('a proxy that takes a connection and says nothing counts as gone like a server', async () => {
  const port = await listen((socket) => void socket.resume());
  const connections = openConnections({
    proxy: () => `http://127.0.0.1:${port}`,
    connect: {},
    proxyTls: {},
    silence: 50,
  });
  opened.push(() => void connections.destroy());
  const asked = send(connections, new URL('https://files.test/'), { method: 'GET' });
  const failure = await asked.catch((error) => error);
  expect(failure).toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' });
});

test('a registry without TLS is found behind a proxy that makes no tunnel to it', async () => {
  const { port, asked } = await strictProxy();
  const own = options({
    HTTP_PROXY: `http://127.0.0.1:${port}`,
    HTTPS_PROXY: `127.0.0.1:${port}`,
    WIAC_INSECURE_REGISTRIES: 'registry.test:5000',
  });
  const source = registrySource(parseRegistryReference('registry.test:5000/app:1'), own);
  expect(await source.digest()).toBeUndefined();
  await source.close();
  expect(asked[0]).toBe('CONNECT registry.test:5000 HTTP/1.1');
  expect(asked[1]).toMatch(/^HEAD http:\/\/registry\.test:5000\/v2\/app\/manifests\/1 /);
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

test('a proxy that wants a password is told of as one', async () => {
  const port = await listen((socket) =>
    socket.on('data', () =>
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'),
    ),
  );
  const connections = openConnections({
    proxy: () => `http://127.0.0.1:${port}`,
    connect: {},
    proxyTls: {},
  });
  opened.push(() => void connections.destroy());
  const asked = send(connections, new URL('https://files.test/a'), { method: 'GET' });
  const error = connectionError(await asked.catch((reason) => reason), 'files.test', 'pull a');
  expect([error.message, error.hint]).toEqual([
    'pull a: no connection to registry files.test: its proxy answered 407',
    'give it a user and password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT',
  ]);
});
