/** Bodies that come so slowly that nobody waits for them. */
import { ImageError } from '../image-error.js';

/** Milliseconds of waiting after which it is looked how much has come. */
const WINDOW_MS = 30_000;

/**
 * The same bytes. A server that sends a byte now and then is never silent long enough to count as gone: at one byte a
 * second a layer of a megabyte takes eleven days. Only the time counts in which the server is waited for.
 * @param slowest bytes a second; undefined: as slow as it likes
 * @param what for messages
 * @throws ImageError
 */
export async function* paced(
  body: AsyncIterable<Buffer>,
  slowest: number | undefined,
  what: string,
  windowMs = WINDOW_MS,
): AsyncGenerator<Buffer> {
  let [waited, bytes, asked] = [0, 0, performance.now()];
  for await (const chunk of body) {
    waited += performance.now() - asked;
    bytes += chunk.length;
    if (slowest !== undefined && waited >= windowMs) {
      if (bytes < (slowest * waited) / 1000) {
        const late = `${what}: less than ${slowest} bytes a second come`;
        const hint = 'the server, or the network to it, is too slow: try again later';
        throw new ImageError(late, { hint, cause: new DOMException(late, 'TimeoutError') });
      }
      [waited, bytes] = [0, 0];
    }
    yield chunk;
    asked = performance.now();
  }
}
