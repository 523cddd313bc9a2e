/** Redirects of registries, and proxies on the way to them. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execa } from 'execa';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import { registrySink, registrySource } from '../../../src/oci/registry/registry.js';
import {
  AMD64,
  layerDigests,
  makeImage,
  putImage,
  readLayers,
  type TestImage,
  temporaryDirectory,
} from '../helpers.js';
import {
  impatient,
  options,
  passOn,
  startProxy,
  startRegistry,
  startServer,
  type TestRegistry,
} from './helpers.js';

const root = temporaryDirectory();

describe('redirects', () => {
  let registry: TestRegistry;
  let image: TestImage;
  const certificate = join(root, 'cert.pem');
  const key = join(root, 'key.pem');
  beforeAll(async () => {
    registry = await startRegistry();
    image = await makeImage();
    const sink = registrySink(parseRegistryReference(`${registry.host}/moved:1`), options());
    await putImage(sink, image);
    await sink.close();
    await execa('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-out', certificate, '-days', '2', '-subj', '/CN=test'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:registry.test'],
    ]);
  });
  afterAll(() => registry.stop());

  test('Authorization stays with the registry', async () => {
    const storage: IncomingMessage[] = [];
    const elsewhere = await startServer((request, response) => {
      storage.push(request);
      passOn(registry.host, request, response);
    });
    const kept: IncomingMessage[] = [];
    const front = await startServer((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return;
      }
      kept.push(request);
      const to = `http://${elsewhere.host}${request.url}`;
      if (request.url?.includes('/blobs/')) response.writeHead(307, { location: to }).end();
      else passOn(registry.host, request, response);
    });
    const file = join(root, 'redirect.json');
    const auth = Buffer.from('ann:x').toString('base64');
    writeFileSync(file, JSON.stringify({ auths: { [front.host]: { auth } } }));
    const reference = parseRegistryReference(`${front.host}/moved:1`);
    const source = registrySource(reference, options({ REGISTRY_AUTH_FILE: file }));
    const found = await readLayers(await source.resolve(AMD64));
    await source.close();
    await front.stop();
    await elsewhere.stop();
    expect(found).toEqual(layerDigests(image));
    expect(kept.length).toBeGreaterThan(3);
    expect(storage.map((request) => request.headers.authorization)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('do not go round in circles', async () => {
    let count = 0;
    const front = await startServer((request, response) => {
      count += 1;
      response.writeHead(302, { location: request.url }).end();
    });
    const source = registrySource(parseRegistryReference(`${front.host}/moved:1`), options());
    await expect(source.resolve(AMD64)).rejects.toThrow('redirects without end');
    await source.close();
    await front.stop();
    expect(count).toBeLessThan(10);
  });

  test('do not lead from https to http', async () => {
    const server = createTlsServer(
      { cert: readFileSync(certificate), key: readFileSync(key) },
      (request, response) => {
        response.writeHead(307, { location: `http://${registry.host}${request.url}` }).end();
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    // Reached by a name that is not this machine's, through a proxy: loopback may use http.
    const proxy = await startProxy(`127.0.0.1:${port}`);
    const env = { WIAC_REGISTRY_CA: certificate, HTTPS_PROXY: `http://${proxy.host}` };
    const reference = parseRegistryReference('registry.test/moved:1');
    const source = registrySource(reference, options(env, { retry: impatient(1) }));
    await expect(source.resolve(AMD64)).rejects.toThrow('redirects from https to http://127.0.0.1');
    await source.close();
    await proxy.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(proxy.log).toEqual(['registry.test:443']);
  });

  test('a proxy reaches what NO_PROXY does not name', async () => {
    const proxy = await startProxy(registry.host);
    const env = {
      HTTP_PROXY: `http://${proxy.host}`,
      https_proxy: `http://${proxy.host}`,
      WIAC_INSECURE_REGISTRIES: 'registry.test',
    };
    const reference = parseRegistryReference('registry.test:5000/moved:1');
    const source = registrySource(reference, options(env));
    expect(await readLayers(await source.resolve(AMD64))).toHaveLength(2);
    await source.close();
    await proxy.stop();
    expect(new Set(proxy.log)).toEqual(new Set(['registry.test:5000']));
  });

  test('a proxy that speaks TLS is trusted as registries are', async () => {
    const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
    const server = createTlsServer(tls);
    const asked: unknown[] = [];
    server.on('secureConnection', ({ servername }) => asked.push(servername));
    const proxy = await startProxy(registry.host, server);
    const address = `https://${proxy.host}`;
    const env = {
      ...{ HTTP_PROXY: address, HTTPS_PROXY: address, WIAC_REGISTRY_CA: certificate },
      WIAC_INSECURE_REGISTRIES: 'registry.test',
    };
    const reference = parseRegistryReference('registry.test:5000/moved:1');
    const source = registrySource(reference, options(env, { retry: impatient(1) }));
    const layers = source.resolve(AMD64).then(readLayers);
    await expect(layers).resolves.toHaveLength(2);
    await source.close();
    await proxy.stop();
    expect(new Set(proxy.log)).toEqual(new Set(['registry.test:5000']));
    // Not for the registry's certificate; and an address is no name of a server (RFC 6066, 3).
    expect(new Set(asked)).toEqual(new Set([false]));
  });
});
