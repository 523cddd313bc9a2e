/**
 * How much an archive from elsewhere may grow when it is unpacked. A few megabytes of gzip can hold
 * gigabytes, a few kilobytes of zstd terabytes: without a limit the disk's size is the limit.
 */
import { ImageError } from '../image-error.js';

/** Limits of an archive. */
export interface ExpansionLimits {
  /** Bytes of one archive without compression, and of the files in it with their holes. */
  readonly maxBytes: number;
  /** Bytes that a byte of the compressed archive may become, once there are many of them. */
  readonly maxRatio: number;
}

/** Honest layers have reached neither so far; both can be set, see docs/store.md. */
export const DEFAULT_LIMITS: ExpansionLimits = { maxBytes: 128e9, maxRatio: 200 };

/** Up to here the ratio does not matter: a file of zeros in a small layer is nothing bad. */
export const RATIO_FREE_BYTES = 2 ** 31;

const HINT =
  'if you trust where it comes from, raise limits.layerBytes or limits.ratio in the config file, or WIAC_MAX_LAYER_BYTES or WIAC_MAX_RATIO';

/** A size as the messages have it, rounded down. */
function gigabytes(bytes: number): string {
  return bytes >= 1e9 ? `${Math.floor(bytes / 1e8) / 10} GB` : `${bytes} bytes`;
}

/** @throws ImageError when there are more bytes than accepted, with or without holes */
export function checkBytes(bytes: number, { maxBytes }: Pick<ExpansionLimits, 'maxBytes'>): void {
  if (bytes <= maxBytes) return;
  throw new ImageError(`the archive is larger than ${gigabytes(maxBytes)} when it is unpacked`, {
    hint: HINT,
  });
}

/**
 * Looks at a decompression on its way.
 * @returns a function to be called with the bytes so far, compressed and not; it throws ImageError
 */
export function expansionGuard(
  limits: ExpansionLimits,
): (compressedBytes: number, bytes: number) => void {
  return (compressedBytes, bytes) => {
    checkBytes(bytes, limits);
    if (bytes <= RATIO_FREE_BYTES || bytes <= compressedBytes * limits.maxRatio) return;
    throw new ImageError(
      `the archive becomes more than ${limits.maxRatio} times as large when it is unpacked: ${gigabytes(bytes)} so far, of ${compressedBytes} bytes`,
      { hint: HINT },
    );
  };
}
