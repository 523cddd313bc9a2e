/**
 * The parts of undici that a registry needs. The package as a whole brings fetch, websockets and
 * mocks along: a third of the time of a push that sends nothing.
 */
import './compile-parser.js';
import type { Dispatcher } from 'undici';
import methods from 'undici/lib/api/index.js';
import BaseDispatcher from 'undici/lib/dispatcher/dispatcher.js';

export { default as Agent } from 'undici/lib/dispatcher/agent.js';
export { default as ProxyAgent } from 'undici/lib/dispatcher/proxy-agent.js';

// The package's own index.js does this: without it no dispatcher has request() or connect().
Object.assign(BaseDispatcher.prototype, methods);

/** Sends a request through a dispatcher; the body is for the caller to read. */
export function send(
  dispatcher: Dispatcher,
  url: URL,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>,
): Promise<Dispatcher.ResponseData> {
  const path = `${url.pathname}${url.search}`;
  return dispatcher.request({ ...options, origin: url.origin, path });
}
