/** http or https: what is asked on this machine finds the one that the registry speaks. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import { registrySource } from '../../../src/oci/registry/registry.js';
import { options } from './helpers.js';

const root = mkdtempSync(join(tmpdir(), 'wiac-scheme-'));
const certificate = join(root, 'certificate.pem');
const key = join(root, 'key.pem');
const DIGEST = `sha256:${'1'.repeat(64)}`;

beforeAll(async () => {
  await execa('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', '/CN=server', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', key, '-out', certificate],
  ]);
});
afterAll(() => rmSync(root, { recursive: true }));

/** Has one manifest, for who says who they are. */
const registry: RequestListener = (request, response) => {
  if (request.headers.authorization === undefined)
    response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
  else response.writeHead(200, { 'docker-content-digest': DIGEST, 'content-length': 2 }).end();
};

/** A first byte of TLS (RFC 8446, 5.1: a record of the handshake). */
const HANDSHAKE = 22;

/** One port for both, as web servers in front of registries have it. */
async function startBoth(plain: RequestListener, tls: RequestListener) {
  const http = createHttp(plain);
  const https = createHttps({ key: readFileSync(key), cert: readFileSync(certificate) }, tls);
  const front: Server = createServer((socket) => {
    socket.once('error', () => undefined);
    socket.once('data', (first) => {
      socket.pause();
      socket.unshift(first);
      (first[0] === HANDSHAKE ? https : http).emit('connection', socket);
      process.nextTick(() => socket.resume());
    });
  });
  await new Promise<void>((resume) => front.listen(0, '127.0.0.1', resume));
  const stop = async () => {
    http.closeAllConnections();
    https.closeAllConnections();
    await new Promise((resume) => front.close(resume));
  };
  return { host: `127.0.0.1:${(front.address() as AddressInfo).port}`, stop };
}

const PLAIN: Record<string, RequestListener> = {
  'says 400': (_request, response) => void response.writeHead(400).end('speak TLS'),
  'says 426': (_request, response) => void response.writeHead(426, { upgrade: 'TLS/1.2' }).end(),
  'says 404': (_request, response) => void response.writeHead(404).end(),
  'sends to https': ({ headers, url }, response) =>
    void response.writeHead(301, { location: `https://${headers.host}${url}` }).end(),
  'hangs up': ({ socket }) => void socket.destroy(),
};

test.each(Object.keys(PLAIN))('a server with TLS that %s without it', async (name) => {
  const { host, stop } = await startBoth(PLAIN[name] as RequestListener, registry);
  const credentials = { kind: 'basic', username: 'ann', password: 'secret' } as const;
  const own = options({ WIAC_REGISTRY_CA: certificate }, { credentials });
  const source = registrySource(parseRegistryReference(`${host}/app:1`), own);
  expect(await source.digest()).toBe(DIGEST);
  await source.close();
  await stop();
});

test('a registry without TLS that shows no sign of being one', async () => {
  const server = createHttp(registry);
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const { port } = server.address() as AddressInfo;
  const credentials = { kind: 'basic', username: 'ann', password: 'secret' } as const;
  const source = registrySource(
    parseRegistryReference(`127.0.0.1:${port}/app:1`),
    options({}, { credentials }),
  );
  expect(await source.digest()).toBe(DIGEST);
  await source.close();
  await new Promise((resume) => server.close(resume));
});
