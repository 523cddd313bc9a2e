import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import { getEndpoint, readRegistryConfig } from '../../../src/oci/registry/auth-config.js';
import { registrySink, registrySource } from '../../../src/oci/registry/registry.js';
import { errorCodes, parseRetryAfter, retryDelay } from '../../../src/oci/registry/retry.js';
import { proxyFor } from '../../../src/oci/registry/transport.js';
import type { Digest } from '../../../src/oci/resolved-image.js';
import {
  AMD64,
  layerDigests,
  makeImage,
  putImage,
  readLayers,
  type TestImage,
} from '../helpers.js';
import {
  type FaultyRegistry,
  impatient,
  options,
  startFaulty,
  startRegistry,
  type TestRegistry,
} from './helpers.js';

describe('settings', () => {
  test('insecure registries', () => {
    const config = readRegistryConfig({ WIAC_INSECURE_REGISTRIES: 'a.io:5000, b.io' });
    const http = (host: string) => getEndpoint(host, config).mayUseHttp;
    expect(
      ['a.io:5000', 'b.io', 'b.io:1', 'localhost:1', '127.9.9.9', '[::1]:5'].map(http),
    ).toEqual([true, true, true, true, true, true]);
    expect(
      ['a.io', 'c.io', 'docker.io', 'localhost.io', '128.0.0.1', '127.0.0.1.io'].map(http),
    ).toEqual([false, false, false, false, false, false]);
    expect(getEndpoint('localhost:1', config).verifyCertificate).toBe(true);
    expect(getEndpoint('b.io', config).verifyCertificate).toBe(false);
    expect(getEndpoint('docker.io', config).address).toBe('registry-1.docker.io');
  });

  test('what is wrong in them', () => {
    expect(() => readRegistryConfig({ WIAC_REGISTRY_MIRRORS: 'docker.io' })).toThrow(
      '"docker.io" is not host=mirror',
    );
    expect(() => readRegistryConfig({ WIAC_REGISTRY_CA: '/nonexistent' })).toThrow(
      'WIAC_REGISTRY_CA=/nonexistent: there is no such file',
    );
  });

  test.each([
    ['https://r.io/', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
    ['https://r.io/', { https_proxy: 'p:1' }, 'http://p:1'],
    ['http://r.io/', { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['http://r.io/', { HTTP_PROXY: 'http://p:1' }, 'http://p:1'],
    ['https://r.io/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '*' }, undefined],
    ['https://r.io/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'a,r.io' }, undefined],
    ['https://x.r.io/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '.r.io' }, undefined],
    ['https://x.r.io/', { HTTPS_PROXY: 'http://p:1', no_proxy: 'r.io' }, undefined],
    ['https://xr.io/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'r.io' }, 'http://p:1'],
    ['https://r.io/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'r.io:444' }, 'http://p:1'],
    ['https://r.io/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'r.io:443' }, undefined],
    ['https://10.1.2.3/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/8' }, undefined],
    ['https://10.1.2.3/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'a, 11.0.0.0/8' }, 'http://p:1'],
    ['https://10.1.2.3/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/33' }, 'http://p:1'],
    ['https://10.1.2.3/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.1.2.3:443' }, undefined],
    ['https://10.1.2.3/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/' }, 'http://p:1'],
    ['https://[fd00::1]/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'fd00::1' }, undefined],
    ['https://[fd00::1]/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'fd00:0::/16' }, undefined],
    ['https://[fd00::1]/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '[fd00::1]:444' }, 'http://p:1'],
    ['https://[fd00::1]/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '[fd00::1]:443' }, undefined],
    ['https://r.io/', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/8,*.r.io' }, undefined],
    ['https://localhost:5/', { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['http://127.0.0.1:5/', { HTTP_PROXY: 'http://p:1' }, undefined],
    ['http://[::1]:5/', { HTTP_PROXY: 'http://p:1' }, undefined],
  ])('the proxy for %s with %j is %s', (url, env, expected) => {
    expect(proxyFor(new URL(url), env)).toBe(expected);
  });

  test.each([
    'http://[p',
    'http://p:port',
    'p:99999',
    'socks5://p:1',
    'http://',
    'http://user:100%@p:1',
    'http://user:100%#x@p:1',
    'http://user:1/100%@p:1',
    'http://user:100%?x@p:1',
    'user:100%@p:x',
    'http//user:100%@p:1',
    'http:/user:100%@p:1',
  ])('a proxy that is %s is an error of its variable', (proxy) => {
    const ask = () => proxyFor(new URL('https://r.io/'), { HTTPS_PROXY: proxy });
    expect(ask).toThrow(/^HTTPS_PROXY=.* is no URL of a proxy$/);
    expect(ask).not.toThrow('100%');
    expect(proxyFor(new URL('https://localhost/'), { HTTPS_PROXY: proxy })).toBeUndefined();
  });
});

describe('repetition', () => {
  test('Retry-After', () => {
    expect(parseRetryAfter('120', 0)).toBe(120_000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 10_000)).toBe(50_000);
    expect(parseRetryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 100_000)).toBe(0);
    expect(parseRetryAfter('soon', 0)).toBeUndefined();
    expect(parseRetryAfter(undefined, 0)).toBeUndefined();
  });

  test('delays double, vary, and end', () => {
    const policy = impatient();
    expect([1, 2, 3, 20].map((n) => retryDelay(n, undefined, policy))).toEqual([
      100, 200, 400, 60_000,
    ]);
    expect(retryDelay(1, undefined, { ...policy, random: () => 0 })).toBe(50);
    expect(retryDelay(1, 5000, policy)).toBe(5000);
  });

  test('codes of nested errors', () => {
    const inner = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
    const gathered = Object.assign(new AggregateError([inner]), { code: 'OUTER' });
    expect(errorCodes(new Error('y', { cause: gathered }))).toEqual(['OUTER', 'ECONNREFUSED']);
    expect(errorCodes('x')).toEqual([]);
  });
});

describe('mirrors', () => {
  let registry: TestRegistry;
  let mirror: FaultyRegistry;
  let origin: FaultyRegistry;
  let image: TestImage;
  beforeAll(async () => {
    registry = await startRegistry();
    mirror = await startFaulty(registry.host);
    origin = await startFaulty(registry.host);
    image = await makeImage();
    const sink = registrySink(parseRegistryReference(`${registry.host}/mirrored:1`), options());
    await putImage(sink, image);
    await sink.close();
  });
  afterAll(async () => {
    for (const server of [mirror, origin, registry]) await server.stop();
  });

  async function pull(): Promise<Digest[]> {
    mirror.log.length = 0;
    origin.log.length = 0;
    const env = { WIAC_REGISTRY_MIRRORS: `${origin.host}=${mirror.host}` };
    const source = registrySource(
      parseRegistryReference(`${origin.host}/mirrored:1`),
      options(env),
    );
    try {
      return await readLayers(await source.resolve(AMD64));
    } finally {
      await source.close();
    }
  }
  const layers = () => layerDigests(image);

  test('are asked first', async () => {
    expect(await pull()).toEqual(layers());
    expect(mirror.log).toHaveLength(4);
    expect(origin.log).toHaveLength(0);
  });

  test('what they lack comes from the registry itself', async () => {
    mirror.fault = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false;
      response.writeHead(404).end();
      return true;
    };
    expect(await pull()).toEqual(layers());
    expect(origin.log).toHaveLength(3);
  });

  test('when nobody has it, the registry’s own answer counts', async () => {
    mirror.fault = (_request, response) => {
      response.writeHead(403).end();
      return true;
    };
    origin.fault = (_request, response) => {
      response.writeHead(404).end();
      return true;
    };
    await expect(pull()).rejects.toMatchObject({ registry: origin.host, status: 404 });
  });
});
