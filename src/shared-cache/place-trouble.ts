/** A place that did not answer: what it has is not known, which is not the same as nothing. */
import { ImageError, type ImageErrorContext } from '../oci/image-error.js';
import { errorCodes, isTransientError, isTransientStatus } from '../oci/registry/retry.js';

/** docker-registry says it for ever of a file that a full disk has left empty: to write it anew mends it. */
const BROKEN = 500;

/**
 * A bucket or a cache service that did not do what it was asked for, for whatever reason. Unlike registries, which some
 * answer 401 or 403 for what is not there yet, these say 404 of what they do not have.
 */
export class PlaceError extends ImageError {
  constructor(
    message: string,
    options: ImageErrorContext & { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

const isTimeout = (error: unknown): boolean =>
  (error as Error | undefined)?.name === 'TimeoutError';

/**
 * Whether a cache that could not be read may well be there: its place is too busy, restarts, or can't be
 * reached. Who writes over it then removes what all others have written.
 */
export function isPlaceTrouble(error: unknown): error is ImageError {
  if (!(error instanceof ImageError)) return false;
  const { status, cause } = error;
  if (error instanceof PlaceError) return true;
  if (status !== undefined) return status !== BROKEN && isTransientStatus(status);
  return isTransientError(cause) || isTimeout(cause) || errorCodes(cause).includes('ENOTFOUND');
}
