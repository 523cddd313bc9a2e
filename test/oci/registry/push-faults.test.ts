import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import { registrySource } from '../../../src/oci/registry/registry.js';
import { AMD64, putImage, readLayers } from '../helpers.js';
import { faultyImage } from './faulty-image.js';
import { impatient, options, passOn } from './helpers.js';

const faulty = faultyImage();

describe('push', () => {
  const isWrite = (request: IncomingMessage) =>
    request.method === 'PUT' || request.method === 'PATCH';
  const requests = (method: string) => faulty.front.log.filter((line) => line.startsWith(method));

  /** Reads a part of a request, then breaks the connection. */
  function dropRequest(bytes: number, request: IncomingMessage): true {
    let read = 0;
    request.on('data', (chunk: Buffer) => {
      read += chunk.length;
      if (read >= bytes) request.destroy();
    });
    return true;
  }

  async function check(name: string): Promise<void> {
    const { manifest } = faulty.image;
    const target = faulty.sink(name, {}, faulty.registry.host);
    for (const blob of faulty.image.blobs)
      await target.putBlob(blob.descriptor, () => Readable.from([blob.bytes]));
    await target.putManifest(manifest.bytes, manifest.descriptor.mediaType, 'root');
    const found = registrySource(
      parseRegistryReference(`${faulty.registry.host}/${name}`),
      options(),
    );
    faulty.open(found);
    expect(await readLayers(await found.resolve(AMD64))).toEqual(faulty.wanted());
  }

  test('a request that breaks is followed by pieces', async () => {
    let left = 1;
    faulty.front.fault = (request) =>
      isWrite(request) && left-- > 0 && dropRequest(100_000, request);
    const { descriptor, bytes } = faulty.bigLayer();
    const target = faulty.sink('push/broken:1');
    await target.putBlob(descriptor, () => Readable.from([bytes]));
    expect(await target.hasBlob(descriptor.digest)).toBe(true);
    expect(requests('PATCH')).toHaveLength(1);
    await check('push/broken:1');
  });

  test('pieces go on after the last one that arrived', async () => {
    let pieces = 0;
    const ranges: string[] = [];
    faulty.front.fault = (request) => {
      if (request.method !== 'PATCH') return false;
      ranges.push(String(request.headers['content-range']));
      pieces += 1;
      return pieces === 3 && dropRequest(1, request);
    };
    const { descriptor, bytes } = faulty.bigLayer();
    let opens = 0;
    await faulty.sink('push/pieces:1', { chunkBytes: 500_000 }).putBlob(descriptor, () => {
      opens += 1;
      return Readable.from([bytes]);
    });
    const last = descriptor.size - 1;
    expect(ranges).toEqual([
      '0-499999',
      '500000-999999',
      '1000000-1499999',
      '1000000-1499999',
      '1500000-1999999',
      `2000000-${last}`,
    ]);
    expect(opens).toBe(2);
    await check('push/pieces:1');
  });

  test('an answer that is lost does not send the blob again', async () => {
    let left = 1;
    faulty.front.fault = (request, response) => {
      if (request.method !== 'PUT' || left-- <= 0) return false;
      passOn(faulty.registry.host, request, response, (chunk) => chunk);
      response.writeHead = () => {
        response.destroy();
        return response;
      };
      return true;
    };
    const { descriptor, bytes } = faulty.bigLayer();
    await faulty.sink('push/lost:1').putBlob(descriptor, () => Readable.from([bytes]));
    expect(requests('PUT')).toHaveLength(1);
    expect(requests('PATCH')).toHaveLength(0);
    await check('push/lost:1');
  });

  test('an upload that the registry forgot begins again', async () => {
    let writes = 0;
    faulty.front.fault = (request, response) => {
      if (isWrite(request) && writes++ === 0) return dropRequest(100_000, request);
      if (request.method === 'GET' && request.url?.includes('/uploads/')) {
        response.writeHead(404).end();
        return true;
      }
      return false;
    };
    const { descriptor, bytes } = faulty.bigLayer();
    await faulty.sink('push/forgotten:1').putBlob(descriptor, () => Readable.from([bytes]));
    expect(requests('POST')).toHaveLength(2);
    await check('push/forgotten:1');
  });

  test('413 leads to pieces', async () => {
    faulty.front.fault = (request, response) => {
      const tooLarge = Number(request.headers['content-length']) > 1_000_000;
      if (request.method !== 'PUT' || !tooLarge) return false;
      request.resume();
      request.once('end', () => response.writeHead(413).end());
      return true;
    };
    const { descriptor, bytes } = faulty.bigLayer();
    await faulty.sink('push/large:1').putBlob(descriptor, () => Readable.from([bytes]));
    expect(requests('PATCH')).toHaveLength(1);
    await check('push/large:1');
  });

  test('503, then OK; 429 says when', async () => {
    const retry = impatient();
    const answers = [503, 429];
    faulty.front.fault = (request, response) => {
      const status = request.method === 'POST' ? answers.shift() : undefined;
      if (status === undefined) return false;
      response.writeHead(status, status === 429 ? { 'retry-after': '3' } : {}).end();
      return true;
    };
    const { descriptor, bytes } = faulty.bigLayer();
    await faulty.sink('push/busy:1', { retry }).putBlob(descriptor, () => Readable.from([bytes]));
    expect(retry.waits).toEqual([100, 3000]);
    await check('push/busy:1');
  });

  test.each([
    ['the upload', 'POST', 202, 'http://['],
    ['the upload', 'POST', 202, 'ftp://127.0.0.1/'],
    ['a redirect', 'HEAD', 307, 'http://registry:port/'],
  ])('a location that is no URL is an error of %s', async (_title, method, status, location) => {
    faulty.front.fault = (request, response) => {
      if (request.method !== method) return false;
      response.writeHead(status, { location }).end();
      return true;
    };
    const { descriptor, bytes } = faulty.bigLayer();
    const put = faulty.sink('push/nowhere:1').putBlob(descriptor, () => Readable.from([bytes]));
    await expect(put).rejects.toMatchObject({
      code: 'IMAGE',
      status,
      message: expect.stringContaining(`leads to what is no URL of HTTP: ${location}`),
    });
  });

  /** As docker-registry answers while another push writes a link of that blob. */
  function refuseManifest(response: ServerResponse, code: string): true {
    const unknown = { code, message: 'blob unknown' };
    // One for each blob, and in the same words.
    const errors = [{ code: 'DIGEST_INVALID' }, unknown, unknown];
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors }));
    return true;
  }

  test('a manifest whose blobs the registry does not see at once is sent again', async () => {
    const retry = impatient();
    let left = 2;
    faulty.front.fault = (request, response) =>
      isWrite(request) &&
      (request.url ?? '').includes('/manifests/') &&
      left-- > 0 &&
      refuseManifest(response, 'MANIFEST_BLOB_UNKNOWN');
    await putImage(faulty.sink('push/late:1', { retry }), faulty.image);
    expect(retry.waits).toEqual([100, 200]);
    await check('push/late:1');
  });

  test('what a registry says otherwise of a manifest is said at once', async () => {
    const retry = impatient();
    faulty.front.fault = (request, response) =>
      (request.url ?? '').includes('/manifests/') && refuseManifest(response, 'MANIFEST_INVALID');
    await expect(putImage(faulty.sink('push/bad:1', { retry }), faulty.image)).rejects.toThrow(
      /answered 400: DIGEST_INVALID; MANIFEST_INVALID blob unknown$/,
    );
    expect(retry.waits).toEqual([]);
  });

  test('gives up', async () => {
    const retry = impatient();
    faulty.front.fault = (request) => isWrite(request) && dropRequest(1, request);
    const { descriptor, bytes } = faulty.bigLayer();
    const put = faulty
      .sink('push/never:1', { retry })
      .putBlob(descriptor, () => Readable.from([bytes]));
    await expect(put).rejects.toThrow(/^push .*: no connection to registry/);
    expect(requests('PATCH').length + requests('PUT').length).toBe(retry.attempts);
  });

  test('a blob shorter than it should be is an error', async () => {
    const { descriptor, bytes } = faulty.bigLayer();
    const put = faulty
      .sink('push/short:1')
      .putBlob(descriptor, () => Readable.from([bytes.subarray(1)]));
    await expect(put).rejects.toMatchObject({ code: 'IMAGE' });
  });
});
