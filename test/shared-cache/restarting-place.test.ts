/** A registry that starts again while a cache is written. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { boundCache } from '../../src/engine/shared-caches.js';

test('is waited for as for an image: who can not write the cache fails', async () => {
  let left = 4;
  const server = createServer((_request, response) => {
    left -= 1;
    response.writeHead(left >= 0 ? 503 : 404, { 'retry-after': '0' }).end();
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const { port } = server.address() as AddressInfo;
  const cache = `type=registry,ref=127.0.0.1:${port}/a/cache:main`;
  await expect(boundCache(cache, {}, { environment: {} })).rejects.toThrow('there is no cache');
  server.closeAllConnections();
  await new Promise((resume) => server.close(resume));
});
