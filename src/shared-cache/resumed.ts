/** Objects of a bucket or a cache service whose connections break. */
import type { Readable } from 'node:stream';
import { getMessage } from '../oci/image-error.js';
import { DEFAULT_RETRY, errorCodes, isTransientError, retryDelay } from '../oci/registry/retry.js';
import { PlaceError } from './place-trouble.js';

/** @throws PlaceError unless it is worth another attempt */
export function requirePassing(error: unknown, isLast: boolean, what: string, hint: string): void {
  if (!isLast && isTransientError(error)) return;
  throw new PlaceError(`${what}: ${getMessage(error) || errorCodes(error).join(', ')}`, {
    hint,
    cause: error,
  });
}

/**
 * An object that never changes. When the connection breaks it is asked for again, and what was read is passed over.
 * @param again gives all of it anew
 */
export async function* resumed(
  first: Readable,
  again: () => Promise<Readable>,
  {
    what,
    attempts,
    hint,
  }: { readonly what: string; readonly attempts: number; readonly hint: string },
): AsyncGenerator<Buffer> {
  let body = first;
  let read = 0;
  for (let made = 1; ; made++) {
    let passed = 0;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        const fresh = chunk.subarray(Math.max(0, read - passed));
        passed += chunk.length;
        read += fresh.length;
        if (fresh.length > 0) yield fresh;
      }
      return;
    } catch (error) {
      requirePassing(error, made >= attempts, what, hint);
    }
    await DEFAULT_RETRY.wait(retryDelay(made, undefined, DEFAULT_RETRY));
    body = await again();
  }
}
