/** Objects of a bucket or a cache service whose connections break. */
import type { Readable } from 'node:stream';
import { getMessage, ImageError } from '../oci/image-error.js';
import { paced } from '../oci/registry/paced.js';
import { errorCodes, mayReconnect, type RetryPolicy, retryDelay } from '../oci/registry/retry.js';
import { PlaceError } from './place-trouble.js';

/** @param mayPass whether another attempt is worth it @throws PlaceError unless it is */
export function requirePassing(error: unknown, mayPass: boolean, what: string, hint: string): void {
  if (mayPass) return;
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
    retry,
    hint,
  }: { readonly what: string; readonly retry: RetryPolicy; readonly hint: string },
): AsyncGenerator<Buffer> {
  let body = first;
  let read = 0;
  let lost = 0;
  for (let made = 1; ; made++) {
    let passed = 0;
    let asked = performance.now();
    try {
      for await (const chunk of paced(body as AsyncIterable<Buffer>, retry.slowest, what)) {
        const fresh = chunk.subarray(Math.max(0, read - passed));
        passed += chunk.length;
        read += fresh.length;
        if (fresh.length > 0) yield fresh;
        asked = performance.now();
      }
      return;
    } catch (error) {
      lost += performance.now() - asked;
      if (error instanceof ImageError) throw error;
      requirePassing(error, mayReconnect(error, made, lost, retry), what, hint);
    }
    await retry.wait(retryDelay(made, undefined, retry));
    body = await again();
  }
}
