/** What an index says about its images, of strangers. */
import { Readable } from 'node:stream';
import { expect, test } from '@jest/globals';
import { attestationFor, isSbom, readStatements } from '../../src/attest/read-attestations.js';
import { getDigest } from '../../src/oci/blob-digest.js';
import { parseManifest } from '../../src/oci/parse-manifest.js';
import type { BlobReader } from '../../src/oci/resolve.js';
import type { Descriptor, ImageIndex } from '../../src/oci/resolved-image.js';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const SPDX = 'https://spdx.dev/Document';
const blobs = new Map<string, Buffer>();

function put(value: unknown, mediaType: string): Descriptor {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
  const digest = getDigest(bytes);
  blobs.set(digest, bytes);
  return { mediaType, digest, size: bytes.length };
}

const reader: BlobReader = {
  title: 'test',
  readManifest: async ({ digest }) => blobs.get(digest) ?? Buffer.alloc(0),
  openBlob: async ({ digest }) => Readable.from([blobs.get(digest)]),
};

const config = put({}, 'application/vnd.oci.image.config.v1+json');
const image = put({ schemaVersion: 2, config, layers: [] }, MANIFEST);

function attested(...statements: unknown[]): Descriptor {
  const layers = statements.map((statement) => ({
    ...put(statement, 'application/vnd.in-toto+json'),
    annotations: { 'in-toto.io/predicate-type': SPDX },
  }));
  return put({ schemaVersion: 2, mediaType: MANIFEST, config, layers }, MANIFEST);
}

const statement = (digest: unknown) => ({
  ...{ predicateType: SPDX, predicate: { a: 1 } },
  subject: [null, { name: 'x', digest: { sha256: digest } }],
});
const own = image.digest.slice('sha256:'.length);
const read = (made: Descriptor) => readStatements(reader, made, image, isSbom);

test('the statements about an image, by the annotation of its manifest in the index', async () => {
  const made = attested(statement(own));
  const found = { ...made, annotations: { 'vnd.docker.reference.digest': image.digest } };
  const index = { schemaVersion: 2, manifests: [image, made, found] };
  const parsed = parseManifest(Buffer.from(JSON.stringify(index)), undefined, 'test') as ImageIndex;
  expect(attestationFor(parsed, image)).toEqual(found);
  expect(attestationFor(parsed, made)).toBeUndefined();
  expect(await read(made)).toEqual([{ predicateType: SPDX, predicate: { a: 1 } }]);
  expect(await readStatements(reader, made, image, () => false)).toEqual([]);
});

test('what is about another image, or about none, is refused', async () => {
  for (const other of [statement('0'.repeat(64)), statement(7), { subject: 'x' }, [], null])
    await expect(read(attested(other))).rejects.toThrow('is not about the image');
  await expect(read(attested(Buffer.from('{')))).rejects.toThrow('is not JSON');
});

test('a manifest of a gigabyte is not read, nor a thousand statements', async () => {
  const huge = { ...attested(statement(own)), size: 1 << 30 };
  await expect(read(huge)).rejects.toThrow('larger than');
  const many = attested(...Array.from({ length: 1000 }, () => statement(own)));
  expect(await read(many)).toHaveLength(100);
});
