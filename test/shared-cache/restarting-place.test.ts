/** A registry that starts again while a cache is written, and places that have no time for who reads one. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, jest, test } from '@jest/globals';
import { boundCache } from '../../src/engine/shared-caches.js';
import { hostPlatform } from '../../src/oci/platform.js';
import { DEFAULT_RETRY } from '../../src/oci/registry/retry.js';
import { cachePlace } from '../../src/shared-cache/places.js';
import { parseCacheFrom } from '../../src/shared-cache/spec.js';

/** Answers so many requests with 503, all others with 404. */
async function startBusy(times: number, retryAfter: string) {
  let left = times;
  const server = createServer((_request, response) => {
    left -= 1;
    response.writeHead(left >= 0 ? 503 : 404, { 'retry-after': retryAfter }).end();
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resume) => server.close(resume));
    },
  };
}

test('is waited for as for an image: who can not write the cache fails', async () => {
  const { host, stop } = await startBusy(4, '0');
  const cache = `type=registry,ref=${host}/a/cache:main`;
  await expect(boundCache(cache, {}, { environment: {} })).rejects.toThrow('there is no cache');
  await stop();
});

test.each([
  (host: string) => `type=registry,ref=${host}/a/cache:main`,
  (host: string) =>
    `type=s3,bucket=b,region=r,access_key_id=a,secret_access_key=s,endpoint_url=http://${host}`,
])(
  'who reads a cache does not wait for an hour, whatever the server asks for: %#',
  async (text) => {
    const { host, stop } = await startBusy(Number.POSITIVE_INFINITY, '3600');
    const wait = jest.spyOn(DEFAULT_RETRY, 'wait').mockResolvedValue();
    const [spec] = parseCacheFrom(text(host), {});
    if (!spec) throw new Error('no cache');
    const source = (await cachePlace(spec.place, { environment: {} })).source();
    await expect(source.artifacts(hostPlatform(), 1000)).rejects.toThrow('503');
    expect(wait.mock.calls).toEqual([[5000], [5000]]);
    wait.mockRestore();
    await source.close();
    await stop();
  },
);
