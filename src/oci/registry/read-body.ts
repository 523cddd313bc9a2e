/** Answers that are short by nature. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ImageError } from '../image-error.js';
import { collect } from '../resolve.js';
import type { RegistryResponse } from './exchange.js';

/** ms. The longest such answer in this time takes 14 kB/s. */
const PATIENCE_MS = 300_000;

/**
 * Reads an answer into memory. A server that sends some bytes now and then is never silent long enough to count
 * as gone: at one byte a second a manifest could take 48 days.
 * @param limit bytes
 * @throws ImageError when there is more, or not all of it in time
 */
export async function readBody(
  { body, url }: Pick<RegistryResponse, 'body' | 'url'>,
  limit: number,
  what: string,
  patience = PATIENCE_MS,
): Promise<Buffer> {
  const timer = new AbortController();
  sleep(patience, undefined, { signal: timer.signal, ref: false }).then(
    () => {
      const late = `${what}: ${url.host} did not send all of it within ${patience / 1000} s`;
      const hint = 'the server, or the network to it, is too slow: try again later';
      const cause = new DOMException(late, 'TimeoutError');
      body.destroy(new ImageError(late, { registry: url.host, hint, cause }));
    },
    () => {},
  );
  try {
    return await collect(body, limit, what);
  } finally {
    timer.abort();
  }
}
