/**
 * Caches in S3 buckets: `blobs/sha256/HEX` as in an OCI image layout, and `manifests/NAME` in the
 * place of its index.json, which two builds could not both write.
 */
import { Readable } from 'node:stream';
import { type ArtifactSource, resolveArtifacts } from '../oci/artifact.js';
import { getDigest, verified } from '../oci/blob-digest.js';
import { ImageError } from '../oci/image-error.js';
import { blobPath } from '../oci/layout-files.js';
import { OCI_MANIFEST } from '../oci/media-types.js';
import { MAX_JSON_BYTES } from '../oci/parse-manifest.js';
import type { Access } from '../oci/registry/auth-config.js';
import type { RetryPolicy } from '../oci/registry/retry.js';
import { type BlobReader, collect } from '../oci/resolve.js';
import type { Descriptor, ImageSink } from '../oci/resolved-image.js';
import { blobGone } from './places.js';
import { openS3 } from './s3-client.js';
import type { S3Place } from './spec.js';

function getTitle({ bucket, prefix, name }: S3Place): string {
  return `s3://${bucket}/${prefix}${name}`;
}

/** A cache in a bucket; its blobs can also be had by their digests. */
export function s3Source(
  place: S3Place,
  retry: RetryPolicy,
  access: Access,
): ArtifactSource & Pick<BlobReader, 'openBlob'> {
  const title = getTitle(place);
  const client = openS3(place, retry, access);
  const openBlob = async (descriptor: Descriptor): Promise<Readable> => {
    const found = await client.get(blobPath(descriptor.digest));
    if (found === undefined) throw blobGone(title, descriptor.digest);
    return verified(found, descriptor, title, { reference: title });
  };
  const readRoot = () =>
    client.read(`manifests/${place.name}`, MAX_JSON_BYTES, `manifest of ${title}`);
  const reader: BlobReader = {
    title,
    openBlob,
    readManifest: async (descriptor) =>
      collect(await openBlob(descriptor), MAX_JSON_BYTES, `manifest of ${title}`),
  };
  return {
    title,
    openBlob,
    async artifacts(platform, maxConfigBytes) {
      const bytes = await readRoot();
      if (bytes === undefined)
        throw new ImageError(`there is no cache ${title}`, {
          reference: title,
          status: 404,
          hint: 'write one with wiac build --cache-to',
        });
      const descriptor = { mediaType: OCI_MANIFEST, digest: getDigest(bytes), size: bytes.length };
      return resolveArtifacts({ descriptor, bytes }, platform, reader, maxConfigBytes);
    },
    async digest() {
      const bytes = await readRoot();
      return bytes && getDigest(bytes);
    },
    close: () => client.close(),
  };
}

/** A bucket to write a cache to. */
export function s3Sink(place: S3Place, retry: RetryPolicy, access: Access): ImageSink {
  const client = openS3(place, retry, access);
  return {
    title: getTitle(place),
    // One of another size was damaged there: it is written again.
    hasBlob: (digest, size) => client.has(blobPath(digest), size),
    async putBlob({ digest, size }, open, { replaces = false } = {}) {
      const key = blobPath(digest);
      if (replaces || !(await client.has(key, size))) await client.put(key, { digest, size, open });
    },
    async putManifest(bytes, mediaType, role) {
      const digest = getDigest(bytes);
      const key = role === 'root' ? `manifests/${place.name}` : blobPath(digest);
      await client.put(key, { digest, size: bytes.length, open: () => Readable.from([bytes]) });
      return { mediaType, digest, size: bytes.length };
    },
    close: () => client.close(),
  };
}
