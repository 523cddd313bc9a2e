/** OCI digests (image-spec descriptor.md, "Digests") and streams that verify them. */
import { createHash } from 'node:crypto';
import { pipeline, type Readable, Transform } from 'node:stream';
import { BlobDamagedError, type ImageErrorContext } from './image-error.js';
import type { Descriptor, Digest } from './resolved-image.js';

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether the text is a digest of an algorithm that wiac can verify. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** The two halves of a digest: algorithm and lower-case hex. */
export function digestParts(digest: Digest): { algorithm: string; hex: string } {
  const at = digest.indexOf(':');
  return { algorithm: digest.slice(0, at), hex: digest.slice(at + 1) };
}

/**
 * Digest of a byte string.
 * @param algorithm as in a digest's first half
 */
export function getDigest(bytes: Uint8Array, algorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** Computes the digest of data that comes in pieces. */
export interface Digester {
  update(chunk: Uint8Array): void;
  /** May be called once. */
  digest(): Digest;
}

/** A digester for the given algorithm. */
export function startDigest(algorithm = 'sha256'): Digester {
  const hash = createHash(algorithm);
  return {
    update: (chunk) => {
      hash.update(chunk);
    },
    digest: () => `${algorithm}:${hash.digest('hex')}` as Digest,
  };
}

/** Size and digest that a blob must have. */
export type Expected = Pick<Descriptor, 'digest' | 'size'>;

/** The error for a blob whose content is not what its descriptor says. */
export function mismatch(
  expected: Expected,
  found: { size: number; digest?: Digest },
  where: string,
  context: ImageErrorContext = {},
): BlobDamagedError {
  const what =
    found.digest === undefined || found.size !== expected.size
      ? `its size is ${found.size} bytes instead of ${expected.size}`
      : `its digest is ${found.digest}`;
  return new BlobDamagedError(`${where}: blob ${expected.digest} is damaged: ${what}`, {
    ...context,
    hint: 'wiac kept nothing of it: have it written there again',
  });
}

/**
 * Passes a stream on and verifies it. Bytes beyond the expected size are never passed on.
 * @param where the image, for the message
 * @returns a stream that fails with ImageError when size or digest are wrong
 */
export function verified(
  input: Readable,
  expected: Expected,
  where: string,
  context: ImageErrorContext = {},
): Readable {
  const digester = startDigest(digestParts(expected.digest).algorithm);
  let size = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > expected.size) {
        done(mismatch(expected, { size }, where, context));
        return;
      }
      digester.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      const digest = digester.digest();
      const right = size === expected.size && digest === expected.digest;
      done(right ? null : mismatch(expected, { size, digest }, where, context));
    },
  });
  // pipeline destroys the input with the output; errors arrive at the output's reader.
  pipeline(input, check, () => undefined);
  return check;
}

/** Verifies bytes that are already in memory. */
export function verifyBytes(
  bytes: Uint8Array,
  expected: Expected,
  where: string,
  context: ImageErrorContext = {},
): void {
  const digest = getDigest(bytes, digestParts(expected.digest).algorithm);
  if (bytes.length !== expected.size || digest !== expected.digest)
    throw mismatch(expected, { size: bytes.length, digest }, where, context);
}
