import { expect, test } from '@jest/globals';
import type { EntryQuery, UiServices } from '../../src/serve/answer.js';
import { answer } from '../../src/serve/answer.js';
import type { Verdict } from '../../src/serve/gate.js';
import type { PruneTexts } from '../../src/serve/ui-data.js';
import { NotFoundError, UsageError } from '../../src/util/errors.js';

const asked: unknown[] = [];
const OUTCOME = { items: [], count: 0, freed: 0, remaining: 0 };

async function* none() {}

const SERVICES: UiServices = {
  builds: none,
  report: (id) => {
    asked.push(id);
    return none();
  },
  usage: () => {
    throw new Error('the disk is gone');
  },
  entries: (query) => {
    asked.push(query);
    return { entries: [], offset: 0, total: 0, bytes: 0 };
  },
  find: async (wanted) => {
    if (wanted === '[') throw new UsageError('[ is not a pattern', { hint: 'close it' });
    throw new NotFoundError('no');
  },
  preview: (options) => {
    asked.push(['preview', options]);
    return OUTCOME;
  },
  prune: (options) => {
    asked.push(['prune', options]);
    return OUTCOME;
  },
};

function ask(url: string, method = 'GET', body = '') {
  const [path = '', search = ''] = url.split('?');
  const verdict: Verdict = { may: 'all', path, query: new URLSearchParams(search) };
  return answer({ method, verdict, body, signal: new AbortController().signal }, SERVICES);
}

test('who may nothing gets no service', async () => {
  const { signal } = new AbortController();
  const refused: Verdict = { may: 'nothing', why: 'so' };
  const page: Verdict = { may: 'page', path: '/api/usage' };
  for (const [verdict, status] of [
    [refused, 403],
    [page, 404],
  ] as const)
    expect(await answer({ method: 'GET', verdict, body: '', signal }, SERVICES)).toMatchObject({
      kind: 'json',
      status,
    });
});

test.each(['/', '/store', '/builds/abcdefgh'])('%s is the page', async (path) => {
  expect(await ask(path)).toEqual({ kind: 'page' });
});

test.each([
  ['/api/nothing', 'GET'],
  ['/builds/../store', 'GET'],
  ['/api/builds/..%2fx', 'GET'],
  ['/api/prune', 'GET'],
  ['/api/usage', 'POST'],
  ['/api/builds', 'DELETE'],
])('%s %s is not there', async (path, method) => {
  expect(await ask(path, method, '{}')).toMatchObject({ status: 404 });
});

test('entries: bounded, and sorted by what can be sorted by', async () => {
  await ask('/api/entries?text=RUN&sort=size&reverse=1&offset=100&count=99999');
  await ask('/api/entries?sort=constructor&offset=-1&count=x');
  const expected: EntryQuery[] = [
    { text: 'RUN', sort: 'size', reverse: true, offset: 100, count: 500 },
    { text: '', sort: 'created', reverse: false, offset: 0, count: 0 },
  ];
  expect(asked.splice(0)).toEqual(expected);
});

test('a prune gets the options that it knows, and no empty ones', async () => {
  const given = { keepBytes: ' 1k ', older: '', keepDays: 3, dryRun: 'x', all: 'yes' };
  await ask('/api/prune/preview', 'POST', JSON.stringify(given));
  await ask('/api/prune', 'POST', '{"all":true}');
  const expected: [string, PruneTexts][] = [
    ['preview', { keepBytes: '1k' }],
    ['prune', { all: true }],
  ];
  expect(asked.splice(0)).toEqual(expected);
  expect(await ask('/api/prune', 'POST', 'all')).toMatchObject({ status: 400 });
  expect(asked).toEqual([]);
});

test('errors are told', async () => {
  expect(await ask('/api/files?wanted=[')).toEqual({
    kind: 'json',
    status: 400,
    value: { message: '[ is not a pattern', hint: 'close it' },
  });
  expect(await ask('/api/files?wanted=x')).toMatchObject({ status: 404 });
  expect(await ask('/api/usage')).toMatchObject({
    status: 500,
    value: { message: 'the disk is gone' },
  });
});
