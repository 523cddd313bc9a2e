import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from '@jest/globals';
import { layoutSink } from '../../../src/oci/layout.js';
import type { RetryPolicy } from '../../../src/oci/registry/retry.js';
import type { Digest } from '../../../src/oci/resolved-image.js';
import { AMD64, readLayers, temporaryDirectory } from '../helpers.js';
import { faultyImage } from './faulty-image.js';
import { impatient, passOn, startServer } from './helpers.js';

const root = temporaryDirectory();
const faulty = faultyImage();

async function pulled(retry?: RetryPolicy): Promise<Digest[]> {
  return readLayers(await faulty.source(retry).resolve(AMD64));
}

describe('pull', () => {
  test('resumes where the connection broke', async () => {
    let left = 2;
    faulty.front.fault = (request, response) =>
      faulty.isBigBlob(request) && left-- > 0 && faulty.dropAfter(700_000, request, response);
    expect(await pulled()).toEqual(faulty.wanted());
    const ranges = faulty.front.log.filter((line) => line.includes(' bytes='));
    expect(ranges).toHaveLength(2);
    const starts = ranges.map((line) => Number(/bytes=(\d+)-$/.exec(line)?.[1]));
    expect(starts[0]).toBeGreaterThan(0);
    expect(starts[1]).toBeGreaterThan(starts[0] ?? 0);
    expect(starts[1]).toBeLessThanOrEqual(1_400_000);
  });

  test('resumes with a server that ignores Range', async () => {
    let left = 1;
    faulty.front.fault = (request, response) => {
      if (!faulty.isBigBlob(request)) return false;
      if (left-- > 0) return faulty.dropAfter(700_000, request, response);
      delete request.headers.range;
      return false;
    };
    expect(await pulled()).toEqual(faulty.wanted());
    expect(faulty.front.log.filter((line) => line.includes(' bytes='))).toHaveLength(1);
  });

  test('gives up when nothing comes any more', async () => {
    const retry = impatient();
    faulty.front.fault = (request, response) => {
      if (!faulty.isBigBlob(request)) return false;
      if (request.headers.range === undefined) return faulty.dropAfter(700_000, request, response);
      response.destroy();
      return true;
    };
    await expect(pulled(retry)).rejects.toMatchObject({
      code: 'IMAGE',
      registry: faulty.front.host,
      message: expect.stringContaining(`no connection to registry ${faulty.front.host}`),
    });
    expect(faulty.front.log.filter((line) => line.includes(' bytes='))).toHaveLength(
      retry.attempts,
    );
  });

  test('gives up when each attempt breaks at once', async () => {
    faulty.front.fault = (request, response) => {
      if (!faulty.isBigBlob(request)) return false;
      response.writeHead(request.headers.range ? 206 : 200, {
        'content-length': faulty.bigLayer().descriptor.size,
        'content-range': 'bytes 0-99/100',
      });
      response.flushHeaders();
      setImmediate(() => response.destroy());
      return true;
    };
    await expect(pulled()).rejects.toThrow(`: 0 of ${faulty.bigLayer().descriptor.size} bytes`);
  });

  test('a silent registry is asked once by who has no patience', async () => {
    const retry = { ...impatient(), silence: 200, patience: 100 };
    faulty.front.fault = (request) => request.url?.includes('/manifests/') === true;
    await expect(pulled(retry)).rejects.toThrow(`no connection to registry ${faulty.front.host}`);
    const asked = faulty.front.log.filter((line) => line.includes('/manifests/'));
    expect([asked.length, retry.waits]).toEqual([1, []]);
  });

  test('one that falls silent again and again within a blob is given up as well', async () => {
    const retry = { ...impatient(), silence: 200, patience: 100 };
    faulty.front.fault = (request, response) => {
      if (!faulty.isBigBlob(request)) return false;
      const { size } = faulty.bigLayer().descriptor;
      const start = Number(/=(\d+)-/.exec(request.headers.range ?? '=0-')?.[1]);
      response.writeHead(request.headers.range ? 206 : 200, {
        'content-length': size - start,
        'content-range': `bytes ${start}-${size - 1}/${size}`,
      });
      response.write(Buffer.alloc(100));
      return true;
    };
    await expect(pulled(retry)).rejects.toThrow(`: 100 of ${faulty.bigLayer().descriptor.size}`);
    expect(retry.waits).toEqual([]);
  });

  test('a wrong digest is found, and nothing of it is kept', async () => {
    faulty.front.fault = (request, response) => {
      if (!faulty.isBigBlob(request)) return false;
      let first = true;
      passOn(faulty.registry.host, request, response, (chunk) => {
        const damaged = Buffer.from(chunk);
        if (first) damaged[50] = (damaged[50] ?? 0) ^ 1;
        first = false;
        return damaged;
      });
      return true;
    };
    const found = await faulty.source().resolve(AMD64);
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
    faulty.front.fault = (request, response) => {
      if (!faulty.isBigBlob(request)) return false;
      response.end(Buffer.concat([faulty.bigLayer().bytes, Buffer.from('more')]));
      return true;
    };
    await expect(pulled()).rejects.toThrow('is damaged: its size is');
  });

  test('a manifest that is not that of its digest is refused', async () => {
    faulty.front.fault = (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      passOn(faulty.registry.host, request, response, (chunk) =>
        Buffer.from(chunk.toString().replace('hello', 'hullo').replace('"size":', '"sizE":')),
      );
      return true;
    };
    await expect(faulty.source().resolve(AMD64)).rejects.toThrow(
      'is damaged: its digest is sha256:',
    );
  });

  test('waits as long as 429 says', async () => {
    const retry = impatient();
    let left = 1;
    faulty.front.fault = (request, response) => {
      if (!faulty.isBigBlob(request) || left-- <= 0) return false;
      response.writeHead(429, { 'retry-after': '7' }).end();
      return true;
    };
    expect(await pulled(retry)).toEqual(faulty.wanted());
    expect(retry.waits).toEqual([7000]);
  });

  test('503, then OK', async () => {
    const retry = impatient();
    let left = 2;
    faulty.front.fault = (request, response) => {
      if (!request.url?.includes('/manifests/') || left-- <= 0) return false;
      response.writeHead(503).end('<html>');
      return true;
    };
    expect(await pulled(retry)).toEqual(faulty.wanted());
    expect(retry.waits).toEqual([100, 200]);
  });

  test('gives up after 503 again and again, with what the registry says', async () => {
    const retry = impatient();
    faulty.front.fault = (_request, response) => {
      response.writeHead(503, { 'retry-after': '86400' });
      response.end(JSON.stringify({ errors: [{ code: 'UNAVAILABLE', message: 'cleaning up' }] }));
      return true;
    };
    await expect(faulty.source(retry).resolve(AMD64)).rejects.toMatchObject({
      status: 503,
      message: expect.stringContaining('answered 503: UNAVAILABLE cleaning up'),
      hint: expect.stringContaining('try again later'),
    });
    expect(faulty.front.log).toHaveLength(retry.attempts);
    expect(retry.waits).toEqual([60_000, 60_000, 60_000]);
  });

  test('a manifest whose connection broke is asked for again', async () => {
    let left = 2;
    faulty.front.fault = (request, response) =>
      request.url?.includes('/manifests/') === true &&
      left-- > 0 &&
      faulty.dropAfter(50, request, response);
    expect(await pulled()).toEqual(faulty.wanted());
    expect(faulty.front.log.filter((line) => line.includes('/manifests/'))).toHaveLength(3);
  });

  test('does not repeat what will not change', async () => {
    const retry = impatient();
    faulty.front.fault = (_request, response) => {
      response.writeHead(403).end('no entry');
      return true;
    };
    await expect(faulty.source(retry).resolve(AMD64)).rejects.toThrow('answered 403: no entry');
    expect(retry.waits).toEqual([]);
  });

  test('400 is not taken for a wish for TLS where there is none', async () => {
    faulty.front.fault = (_request, response) => {
      response.writeHead(400).end('no sense');
      return true;
    };
    const retry = impatient();
    await expect(faulty.source(retry).resolve(AMD64)).rejects.toThrow('answered 400: no sense');
    expect(retry.waits).toEqual([]);
  });

  test('no registry there', async () => {
    const gone = await startServer(() => undefined);
    await gone.stop();
    const retry = impatient(2);
    await expect(faulty.source(retry, gone.host).resolve(AMD64)).rejects.toMatchObject({
      message: expect.stringMatching(/no connection to registry .*ECONNREFUSED/),
      hint: 'check the network and that the registry runs',
    });
    expect(retry.waits).toHaveLength(1);
  });

  test('a stream that nobody reads on closes its connection', async () => {
    const closed = new Promise<void>((resolve) => {
      faulty.front.fault = (request, response) => {
        if (!faulty.isBigBlob(request)) return false;
        response.writeHead(200, { 'content-length': faulty.bigLayer().descriptor.size });
        response.write(faulty.bigLayer().bytes.subarray(0, 10));
        response.once('close', () => resolve());
        return true;
      };
    });
    const found = await faulty.source().resolve(AMD64);
    const stream = await found.layers[1]?.open();
    stream?.destroy();
    await closed;
  });
});

test('a pull into a layout that is interrupted leaves no half blob', async () => {
  const directory = join(root, 'interrupted');
  faulty.front.fault = (request, response) =>
    faulty.isBigBlob(request) && faulty.dropAfter(700_000, request, response);
  const found = await faulty.source(impatient(2)).resolve(AMD64);
  const layout = layoutSink({ kind: 'oci-layout', directory });
  const layer = found.layers[1];
  if (layer === undefined) throw new Error('no layer');
  faulty.front.fault = (request, response) => {
    if (!faulty.isBigBlob(request)) return false;
    if (request.headers.range === undefined) return faulty.dropAfter(700_000, request, response);
    response.writeHead(500).end();
    return true;
  };
  const copy = async () => layout.putBlob(layer.descriptor, () => layer.open());
  await expect(copy()).rejects.toMatchObject({ status: 500 });
  expect(readdirSync(join(directory, 'blobs/sha256'))).toEqual([]);
  faulty.front.fault = () => false;
  await copy();
  const file = join(directory, 'blobs', layer.descriptor.digest.replace(':', '/'));
  expect(existsSync(file)).toBe(true);
  await pipeline(createReadStream(file), async (chunks: AsyncIterable<Buffer>) => {
    let size = 0;
    for await (const chunk of chunks) size += chunk.length;
    expect(size).toBe(layer.descriptor.size);
  });
});
