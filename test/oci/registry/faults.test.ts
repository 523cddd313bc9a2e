import { createReadStream, existsSync, readdirSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { layoutSink } from '../../../src/oci/layout.js';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import { registrySink, registrySource } from '../../../src/oci/registry/registry.js';
import type { RetryPolicy } from '../../../src/oci/registry/retry.js';
import type { Digest } from '../../../src/oci/resolved-image.js';
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
  type FaultyRegistry,
  impatient,
  options,
  passOn,
  startFaulty,
  startRegistry,
  startServer,
  type TestRegistry,
} from './helpers.js';

const SIZE = 2_000_000;
const root = temporaryDirectory();
let registry: TestRegistry;
let front: FaultyRegistry;
let image: TestImage;
const opened: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  registry = await startRegistry();
  image = await makeImage({ size: SIZE });
  const sink = registrySink(parseRegistryReference(`${registry.host}/faulty:1`), options());
  await putImage(sink, image);
  await sink.close();
});
afterAll(() => registry.stop());
beforeEach(async () => {
  front = await startFaulty(registry.host);
});
afterEach(async () => {
  for (const item of opened.splice(0)) await item.close();
  await front.stop();
});

function source(retry: RetryPolicy = impatient(), host = front.host) {
  const found = registrySource(parseRegistryReference(`${host}/faulty:1`), options({}, { retry }));
  opened.push(found);
  return found;
}

function sink(
  name: string,
  more: { retry?: RetryPolicy; chunkBytes?: number } = {},
  host = front.host,
) {
  const { retry = impatient(), ...rest } = more;
  const reference = parseRegistryReference(`${host}/${name}`);
  const made = registrySink(reference, { ...options({}, { retry }), ...rest });
  opened.push(made);
  return made;
}

function bigLayer() {
  const layer = image.layers[1];
  if (layer === undefined) throw new Error('no layer');
  return layer;
}

const wanted = () => layerDigests(image);
const isBigBlob = (request: IncomingMessage) =>
  request.method === 'GET' && request.url?.endsWith(bigLayer().descriptor.digest) === true;

/** Passes on the first bytes of an answer, then breaks the connection. */
function dropAfter(bytes: number, request: IncomingMessage, response: ServerResponse): true {
  const { socket } = request;
  let left = bytes;
  passOn(registry.host, request, response, (chunk) => {
    const part = chunk.subarray(0, left);
    if (part.length > 0 && part.length === left)
      setImmediate(() => socket.end(() => socket.destroy()));
    left -= part.length;
    return part;
  });
  return true;
}

async function pulled(retry?: RetryPolicy): Promise<Digest[]> {
  return readLayers(await source(retry).resolve(AMD64));
}

describe('pull', () => {
  test('resumes where the connection broke', async () => {
    let left = 2;
    front.fault = (request, response) =>
      isBigBlob(request) && left-- > 0 && dropAfter(700_000, request, response);
    expect(await pulled()).toEqual(wanted());
    const ranges = front.log.filter((line) => line.includes(' bytes='));
    expect(ranges).toHaveLength(2);
    const starts = ranges.map((line) => Number(/bytes=(\d+)-$/.exec(line)?.[1]));
    expect(starts[0]).toBeGreaterThan(0);
    expect(starts[1]).toBeGreaterThan(starts[0] ?? 0);
    expect(starts[1]).toBeLessThanOrEqual(1_400_000);
  });

  test('resumes with a server that ignores Range', async () => {
    let left = 1;
    front.fault = (request, response) => {
      if (!isBigBlob(request)) return false;
      if (left-- > 0) return dropAfter(700_000, request, response);
      delete request.headers.range;
      return false;
    };
    expect(await pulled()).toEqual(wanted());
    expect(front.log.filter((line) => line.includes(' bytes='))).toHaveLength(1);
  });

  test('gives up when nothing comes any more', async () => {
    const retry = impatient();
    front.fault = (request, response) => {
      if (!isBigBlob(request)) return false;
      if (request.headers.range === undefined) return dropAfter(700_000, request, response);
      response.destroy();
      return true;
    };
    await expect(pulled(retry)).rejects.toMatchObject({
      code: 'IMAGE',
      registry: front.host,
      message: expect.stringContaining(`no connection to registry ${front.host}`),
    });
    expect(front.log.filter((line) => line.includes(' bytes='))).toHaveLength(retry.attempts);
  });

  test('gives up when each attempt breaks at once', async () => {
    front.fault = (request, response) => {
      if (!isBigBlob(request)) return false;
      response.writeHead(request.headers.range ? 206 : 200, {
        'content-length': 100,
        'content-range': 'bytes 0-99/100',
      });
      response.flushHeaders();
      setImmediate(() => response.destroy());
      return true;
    };
    await expect(pulled()).rejects.toThrow(`: 0 of ${bigLayer().descriptor.size} bytes`);
  });

  test('a wrong digest is found, and nothing of it is kept', async () => {
    front.fault = (request, response) => {
      if (!isBigBlob(request)) return false;
      let first = true;
      passOn(registry.host, request, response, (chunk) => {
        const damaged = Buffer.from(chunk);
        if (first) damaged[50] = (damaged[50] ?? 0) ^ 1;
        first = false;
        return damaged;
      });
      return true;
    };
    const found = await source().resolve(AMD64);
    const directory = join(root, 'damaged');
    const layout = layoutSink({ kind: 'oci-layout', directory });
    const layer = found.layers[1];
    if (layer === undefined) throw new Error('no layer');
    await expect(
      layer.open().then((stream) => layout.putBlob(layer.descriptor, () => stream)),
    ).rejects.toMatchObject({ code: 'IMAGE', message: expect.stringContaining('is damaged') });
    expect(readdirSync(join(directory, 'blobs/sha256'))).toEqual([]);
  });

  test('bytes after the end are found', async () => {
    front.fault = (request, response) => {
      if (!isBigBlob(request)) return false;
      response.end(Buffer.concat([bigLayer().bytes, Buffer.from('more')]));
      return true;
    };
    await expect(pulled()).rejects.toThrow('is damaged: its size is');
  });

  test('a manifest that is not that of its digest is refused', async () => {
    front.fault = (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      passOn(registry.host, request, response, (chunk) =>
        Buffer.from(chunk.toString().replace('hello', 'hullo').replace('"size":', '"sizE":')),
      );
      return true;
    };
    await expect(source().resolve(AMD64)).rejects.toThrow('is damaged: its digest is sha256:');
  });

  test('waits as long as 429 says', async () => {
    const retry = impatient();
    let left = 1;
    front.fault = (request, response) => {
      if (!isBigBlob(request) || left-- <= 0) return false;
      response.writeHead(429, { 'retry-after': '7' }).end();
      return true;
    };
    expect(await pulled(retry)).toEqual(wanted());
    expect(retry.waits).toEqual([7000]);
  });

  test('503, then OK', async () => {
    const retry = impatient();
    let left = 2;
    front.fault = (request, response) => {
      if (!request.url?.includes('/manifests/') || left-- <= 0) return false;
      response.writeHead(503).end('<html>');
      return true;
    };
    expect(await pulled(retry)).toEqual(wanted());
    expect(retry.waits).toEqual([100, 200]);
  });

  test('gives up after 503 again and again, with what the registry says', async () => {
    const retry = impatient();
    front.fault = (_request, response) => {
      response.writeHead(503, { 'retry-after': '86400' });
      response.end(JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'cleaning up' }] }));
      return true;
    };
    await expect(source(retry).resolve(AMD64)).rejects.toMatchObject({
      status: 503,
      message: expect.stringContaining('answered 503: UNAVAILABLE cleaning up'),
      hint: expect.stringContaining('try again later'),
    });
    expect(front.log).toHaveLength(retry.attempts);
    expect(retry.waits).toEqual([60_000, 60_000, 60_000]);
  });

  test('a manifest whose connection broke is asked for again', async () => {
    let left = 2;
    front.fault = (request, response) =>
      request.url?.includes('/manifests/') === true &&
      left-- > 0 &&
      dropAfter(50, request, response);
    expect(await pulled()).toEqual(wanted());
    expect(front.log.filter((line) => line.includes('/manifests/'))).toHaveLength(3);
  });

  test('does not repeat what will not change', async () => {
    const retry = impatient();
    front.fault = (_request, response) => {
      response.writeHead(403).end('no entry');
      return true;
    };
    await expect(source(retry).resolve(AMD64)).rejects.toThrow('answered 403: no entry');
    expect(retry.waits).toEqual([]);
  });

  test('400 is not taken for a wish for TLS where there is none', async () => {
    front.fault = (_request, response) => {
      response.writeHead(400).end('no sense');
      return true;
    };
    const retry = impatient();
    await expect(source(retry).resolve(AMD64)).rejects.toThrow('answered 400: no sense');
    expect(retry.waits).toEqual([]);
  });

  test('no registry there', async () => {
    const gone = await startServer(() => undefined);
    await gone.stop();
    const retry = impatient(2);
    await expect(source(retry, gone.host).resolve(AMD64)).rejects.toMatchObject({
      message: expect.stringMatching(/no connection to registry .*ECONNREFUSED/),
      hint: 'check the network and that the registry runs',
    });
    expect(retry.waits).toHaveLength(1);
  });

  test('a stream that nobody reads on closes its connection', async () => {
    const closed = new Promise<void>((resolve) => {
      front.fault = (request, response) => {
        if (!isBigBlob(request)) return false;
        response.writeHead(200, { 'content-length': bigLayer().descriptor.size });
        response.write(bigLayer().bytes.subarray(0, 10));
        response.once('close', () => resolve());
        return true;
      };
    });
    const found = await source().resolve(AMD64);
    const stream = await found.layers[1]?.open();
    stream?.destroy();
    await closed;
  });
});

describe('push', () => {
  const isWrite = (request: IncomingMessage) =>
    request.method === 'PUT' || request.method === 'PATCH';
  const requests = (method: string) => front.log.filter((line) => line.startsWith(method));

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
    const { manifest } = image;
    const target = sink(name, {}, registry.host);
    for (const blob of image.blobs)
      await target.putBlob(blob.descriptor, () => Readable.from([blob.bytes]));
    await target.putManifest(manifest.bytes, manifest.descriptor.mediaType, 'root');
    const found = registrySource(parseRegistryReference(`${registry.host}/${name}`), options());
    opened.push(found);
    expect(await readLayers(await found.resolve(AMD64))).toEqual(wanted());
  }

  test('a request that breaks is followed by pieces', async () => {
    let left = 1;
    front.fault = (request) => isWrite(request) && left-- > 0 && dropRequest(100_000, request);
    const { descriptor, bytes } = bigLayer();
    const target = sink('push/broken:1');
    await target.putBlob(descriptor, () => Readable.from([bytes]));
    expect(await target.hasBlob(descriptor.digest)).toBe(true);
    expect(requests('PATCH')).toHaveLength(1);
    await check('push/broken:1');
  });

  test('pieces go on after the last one that arrived', async () => {
    let pieces = 0;
    const ranges: string[] = [];
    front.fault = (request) => {
      if (request.method !== 'PATCH') return false;
      ranges.push(String(request.headers['content-range']));
      pieces += 1;
      return pieces === 3 && dropRequest(1, request);
    };
    const { descriptor, bytes } = bigLayer();
    let opens = 0;
    await sink('push/pieces:1', { chunkBytes: 500_000 }).putBlob(descriptor, () => {
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
    front.fault = (request, response) => {
      if (request.method !== 'PUT' || left-- <= 0) return false;
      passOn(registry.host, request, response, (chunk) => chunk);
      response.writeHead = () => {
        response.destroy();
        return response;
      };
      return true;
    };
    const { descriptor, bytes } = bigLayer();
    await sink('push/lost:1').putBlob(descriptor, () => Readable.from([bytes]));
    expect(requests('PUT')).toHaveLength(1);
    expect(requests('PATCH')).toHaveLength(0);
    await check('push/lost:1');
  });

  test('an upload that the registry forgot begins again', async () => {
    let writes = 0;
    front.fault = (request, response) => {
      if (isWrite(request) && writes++ === 0) return dropRequest(100_000, request);
      if (request.method === 'GET' && request.url?.includes('/uploads/')) {
        response.writeHead(404).end();
        return true;
      }
      return false;
    };
    const { descriptor, bytes } = bigLayer();
    await sink('push/forgotten:1').putBlob(descriptor, () => Readable.from([bytes]));
    expect(requests('POST')).toHaveLength(2);
    await check('push/forgotten:1');
  });

  test('413 leads to pieces', async () => {
    front.fault = (request, response) => {
      const tooLarge = Number(request.headers['content-length']) > 1_000_000;
      if (request.method !== 'PUT' || !tooLarge) return false;
      request.resume();
      request.once('end', () => response.writeHead(413).end());
      return true;
    };
    const { descriptor, bytes } = bigLayer();
    await sink('push/large:1').putBlob(descriptor, () => Readable.from([bytes]));
    expect(requests('PATCH')).toHaveLength(1);
    await check('push/large:1');
  });

  test('503, then OK; 429 says when', async () => {
    const retry = impatient();
    const answers = [503, 429];
    front.fault = (request, response) => {
      const status = request.method === 'POST' ? answers.shift() : undefined;
      if (status === undefined) return false;
      response.writeHead(status, status === 429 ? { 'retry-after': '3' } : {}).end();
      return true;
    };
    const { descriptor, bytes } = bigLayer();
    await sink('push/busy:1', { retry }).putBlob(descriptor, () => Readable.from([bytes]));
    expect(retry.waits).toEqual([100, 3000]);
    await check('push/busy:1');
  });

  test.each([
    ['the upload', 'POST', 202, 'http://['],
    ['the upload', 'POST', 202, 'ftp://127.0.0.1/'],
    ['a redirect', 'HEAD', 307, 'http://registry:port/'],
  ])('a location that is no URL is an error of %s', async (_title, method, status, location) => {
    front.fault = (request, response) => {
      if (request.method !== method) return false;
      response.writeHead(status, { location }).end();
      return true;
    };
    const { descriptor, bytes } = bigLayer();
    const put = sink('push/nowhere:1').putBlob(descriptor, () => Readable.from([bytes]));
    await expect(put).rejects.toMatchObject({
      code: 'IMAGE',
      status,
      message: expect.stringContaining(`leads to what is no URL of HTTP: ${location}`),
    });
  });

  /** As docker-registry answers while another push writes a link of that blob. */
  function refuseManifest(response: ServerResponse, code: string): true {
    const errors = [{ code: 'DIGEST_INVALID' }, { code, message: 'blob unknown' }];
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors }));
    return true;
  }

  test('a manifest whose blobs the registry does not see at once is sent again', async () => {
    const retry = impatient();
    let left = 2;
    front.fault = (request, response) =>
      isWrite(request) &&
      (request.url ?? '').includes('/manifests/') &&
      left-- > 0 &&
      refuseManifest(response, 'MANIFEST_BLOB_UNKNOWN');
    await putImage(sink('push/late:1', { retry }), image);
    expect(retry.waits).toEqual([100, 200]);
    await check('push/late:1');
  });

  test('what a registry says otherwise of a manifest is said at once', async () => {
    const retry = impatient();
    front.fault = (request, response) =>
      (request.url ?? '').includes('/manifests/') && refuseManifest(response, 'MANIFEST_INVALID');
    await expect(putImage(sink('push/bad:1', { retry }), image)).rejects.toThrow(
      'answered 400: DIGEST_INVALID; MANIFEST_INVALID blob unknown',
    );
    expect(retry.waits).toEqual([]);
  });

  test('gives up', async () => {
    const retry = impatient();
    front.fault = (request) => isWrite(request) && dropRequest(1, request);
    const { descriptor, bytes } = bigLayer();
    const put = sink('push/never:1', { retry }).putBlob(descriptor, () => Readable.from([bytes]));
    await expect(put).rejects.toThrow(/^push .*: no connection to registry/);
    expect(requests('PATCH').length + requests('PUT').length).toBe(retry.attempts);
  });

  test('a blob shorter than it should be is an error', async () => {
    const { descriptor, bytes } = bigLayer();
    const put = sink('push/short:1').putBlob(descriptor, () => Readable.from([bytes.subarray(1)]));
    await expect(put).rejects.toMatchObject({ code: 'IMAGE' });
  });
});

test('a pull into a layout that is interrupted leaves no half blob', async () => {
  const directory = join(root, 'interrupted');
  front.fault = (request, response) => isBigBlob(request) && dropAfter(700_000, request, response);
  const found = await source(impatient(2)).resolve(AMD64);
  const layout = layoutSink({ kind: 'oci-layout', directory });
  const layer = found.layers[1];
  if (layer === undefined) throw new Error('no layer');
  front.fault = (request, response) => {
    if (!isBigBlob(request)) return false;
    if (request.headers.range === undefined) return dropAfter(700_000, request, response);
    response.writeHead(500).end();
    return true;
  };
  const copy = async () => layout.putBlob(layer.descriptor, () => layer.open());
  await expect(copy()).rejects.toMatchObject({ status: 500 });
  expect(readdirSync(join(directory, 'blobs/sha256'))).toEqual([]);
  front.fault = () => false;
  await copy();
  const file = join(directory, 'blobs', layer.descriptor.digest.replace(':', '/'));
  expect(existsSync(file)).toBe(true);
  await pipeline(createReadStream(file), async (chunks: AsyncIterable<Buffer>) => {
    let size = 0;
    for await (const chunk of chunks) size += chunk.length;
    expect(size).toBe(layer.descriptor.size);
  });
});
