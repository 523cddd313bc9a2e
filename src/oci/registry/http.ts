/** A request to a registry. */
import type { Dispatcher } from 'undici';

/** Sends a request through a dispatcher; the body is for the caller to read. */
export function send(
  dispatcher: Dispatcher,
  url: URL,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>,
): Promise<Dispatcher.ResponseData> {
  const path = `${url.pathname}${url.search}`;
  return dispatcher.request({ ...options, origin: url.origin, path });
}
