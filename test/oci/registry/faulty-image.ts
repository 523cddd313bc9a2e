/** An image in a registry behind one that fails as a test says. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';
import { parseRegistryReference } from '../../../src/oci/reference.js';
import { registrySink, registrySource } from '../../../src/oci/registry/registry.js';
import type { RetryPolicy } from '../../../src/oci/registry/retry.js';
import { layerDigests, makeImage, putImage, type TestImage } from '../helpers.js';
import {
  type FaultyRegistry,
  impatient,
  options,
  passOn,
  startFaulty,
  startRegistry,
  type TestRegistry,
} from './helpers.js';

/** Of the larger layer, in bytes. */
const SIZE = 2_000_000;

/** For a test file: all of its tests share the registry, and each one has a front of its own. */
export function faultyImage() {
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

  function bigLayer() {
    const layer = image.layers[1];
    if (layer === undefined) throw new Error('no layer');
    return layer;
  }

  return {
    get registry() {
      return registry;
    },
    get front() {
      return front;
    },
    get image() {
      return image;
    },
    bigLayer,
    wanted: () => layerDigests(image),
    /** To be closed after the test. */
    open<T extends { close(): Promise<void> }>(made: T): T {
      opened.push(made);
      return made;
    },
    source(retry: RetryPolicy = impatient(), host = front.host) {
      const reference = parseRegistryReference(`${host}/faulty:1`);
      return this.open(registrySource(reference, options({}, { retry })));
    },
    sink(name: string, more: { retry?: RetryPolicy; chunkBytes?: number } = {}, host = front.host) {
      const { retry = impatient(), ...rest } = more;
      const reference = parseRegistryReference(`${host}/${name}`);
      return this.open(registrySink(reference, { ...options({}, { retry }), ...rest }));
    },
    isBigBlob: (request: IncomingMessage) =>
      request.method === 'GET' && request.url?.endsWith(bigLayer().descriptor.digest) === true,
    /** Passes on the first bytes of an answer, then breaks the connection. */
    dropAfter(bytes: number, request: IncomingMessage, response: ServerResponse): true {
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
    },
  };
}
