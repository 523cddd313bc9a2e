/** A request to a registry. */
import type { Dispatcher } from 'undici';

/**
 * Sends a request through a dispatcher; the body is for the caller to read. The connection stays open after
 * a HEAD, of which an export sends one for each blob: undici closes it unless it is told not to, and 100
 * blobs took twice as long.
 */
export function send(
  dispatcher: Dispatcher,
  url: URL,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>,
): Promise<Dispatcher.ResponseData> {
  const path = `${url.pathname}${url.search}`;
  const stays = options.method === 'HEAD' ? { reset: false } : {};
  return dispatcher.request({ ...options, ...stays, origin: url.origin, path });
}
