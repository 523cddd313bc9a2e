import { expect, test } from '@jest/globals';
import type { Knock } from '../../src/serve/gate.js';
import { isSame, judge } from '../../src/serve/gate.js';

const SECRETS = { port: 4000, token: 'the-token', cookie: 'the-cookie' };
const HOST = { host: '127.0.0.1:4000' };
const TOKEN = { 'x-wiac-token': 'the-token' };

function may(url: string, headers: Knock['headers'], method = 'GET'): string {
  return judge({ method, url, headers }, SECRETS).may;
}

test.each<[may: string, url: string, headers: Knock['headers'], method: string]>([
  ['page', '/?token=the-token', HOST, 'GET'],
  ['page', '/store', { ...HOST, cookie: 'a=b; wiac-ui-4000=the-cookie' }, 'GET'],
  ['all', '/api/usage', { ...HOST, ...TOKEN }, 'GET'],
  ['all', '/api/prune', { ...HOST, ...TOKEN, origin: 'http://127.0.0.1:4000' }, 'POST'],
  ['all', '/api/usage', { host: '[::1]:4000', ...TOKEN }, 'GET'],
  ['all', '/api/usage', { host: 'LOCALHOST:4000', ...TOKEN }, 'GET'],
  // Without a token, or with another one.
  ['nothing', '/', HOST, 'GET'],
  ['nothing', '/?token=the-toke', HOST, 'GET'],
  ['nothing', '/?token=', HOST, 'GET'],
  ['nothing', '/', { ...HOST, cookie: 'wiac-ui-4001=the-cookie' }, 'GET'],
  ['nothing', '/api/usage', { ...HOST, 'x-wiac-token': 'the-cookie' }, 'GET'],
  // What is in the store needs it in the header.
  ['nothing', '/api/usage?token=the-token', HOST, 'GET'],
  ['nothing', '/api/usage', { ...HOST, cookie: 'wiac-ui-4000=the-cookie' }, 'GET'],
  ['nothing', '/?token=the-token', { ...HOST, cookie: 'wiac-ui-4000=the-cookie' }, 'POST'],
  // Names of others that lead here.
  ['nothing', '/?token=the-token', { host: 'evil.example:4000' }, 'GET'],
  ['nothing', '/?token=the-token', { host: '127.0.0.1:4000.evil.example' }, 'GET'],
  ['nothing', '/?token=the-token', { host: '127.0.0.1' }, 'GET'],
  ['nothing', '/?token=the-token', {}, 'GET'],
  // Pages of others.
  ['nothing', '/api/prune', { ...HOST, ...TOKEN, origin: 'http://evil.example' }, 'POST'],
  ['nothing', '/api/prune', { ...HOST, ...TOKEN, origin: 'http://127.0.0.1:4001' }, 'POST'],
  ['nothing', '/api/prune', { ...HOST, ...TOKEN, origin: 'null' }, 'POST'],
])('%s: %s %j %s', (expected, url, headers, method) => {
  expect(may(url, headers, method)).toBe(expected);
});

test('texts of different lengths are compared as well', () => {
  expect([isSame('a', 'a'), isSame('', 'a'), isSame('aa', 'a')]).toEqual([true, false, false]);
});
