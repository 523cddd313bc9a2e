/**
 * The file undici.cjs: what wiac uses of the package, with its parser compiled as compile-parser.ts says. The package's own
 * index also loads fetch, WebSocket and their like: 6 ms of a push.
 */
import './compile-parser.js';
import api from 'undici/lib/api/index.js';
import buildConnector from 'undici/lib/core/connect.js';
import Agent from 'undici/lib/dispatcher/agent.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js';

// As its index does.
Object.assign(Dispatcher.prototype, api);

export { Agent, buildConnector, Pool, ProxyAgent };
