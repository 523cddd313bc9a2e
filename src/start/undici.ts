/**
 * The file undici.cjs: what wiac uses of the package, with its parser compiled as compile-parser.ts says. The package's own
 * index also loads WebSocket and its like, and fetch at once: 6 ms of a push.
 */
import './compile-parser.js';
import type { fetch as fetchNow } from 'undici';
import api from 'undici/lib/api/index.js';
import buildConnector from 'undici/lib/core/connect.js';
import Agent from 'undici/lib/dispatcher/agent.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js';

// As its index does.
Object.assign(Dispatcher.prototype, api);

/** As undici has it, loaded by the first call. */
const fetch: typeof fetchNow = async (input, init) => {
  const { fetch: loaded } = await import('undici/lib/web/fetch/index.js');
  return loaded(input, init);
};

export { Agent, buildConnector, fetch, Pool, ProxyAgent };
