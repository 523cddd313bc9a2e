/** Buckets and cache services in trouble: what other jobs have written stays. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EntryList } from '../../src/shared-cache/entry-list.js';
import { mergeCache, readListed } from '../../src/shared-cache/merge-cache.js';
import { cachePlace, type Place } from '../../src/shared-cache/places.js';
import { parseCacheTo } from '../../src/shared-cache/spec.js';
import { type GhaServer, startGha } from '../support/gha.js';
import { type S3Server, startS3 } from '../support/s3.js';
import { listOf } from './lists.js';

let s3: S3Server;
let gha: GhaServer;
beforeAll(async () => {
  [s3, gha] = await Promise.all([startS3(), startGha()]);
});
afterAll(() => Promise.all([s3.stop(), gha.stop()]));

const open = (text: string): Promise<Place> =>
  cachePlace(parseCacheTo(text, {}).place as never, {}, 'write');
const s3Text = (name: string) =>
  `type=s3,bucket=${s3.bucket},region=${s3.region},endpoint_url=${s3.endpoint},name=${name},` +
  `access_key_id=${s3.accessKeyId},secret_access_key=${s3.secretAccessKey}`;
const ghaText = (name: string) =>
  `type=gha,url_v2=${gha.url},token=${gha.token()},scope=${name},timeout=5s`;
const write = (place: Place, list: EntryList) =>
  mergeCache(place, list, [], {
    signKey: undefined,
    bounds: { maxEntries: 100, maxAgeDays: 30 },
    today: 20_000,
  });
const texts = async (place: Place) =>
  (await readListed(place, undefined))?.entries.map(({ inputs }) => inputs.text).sort();

/** Answers, in the place of the right ones, to the first so many requests for a list. */
interface Trouble {
  readonly status: number;
  readonly times: number;
}

test.each([
  ['endpoint_url=minio:9000', 'is no URL with https:// or http://'],
  ['endpoint_url=ftp://minio', 'is no URL with https:// or http://'],
  ['region=eu central', 'region eu central is no name of a region'],
  ['region=r/x', 'region r/x is no name of a region'],
  ['bucket=b/x', 'bucket b/x is no name of a bucket'],
])('type=s3,%s is refused', (attribute, problem) => {
  const values = { bucket: 'b', region: 'r', access_key_id: 'a', secret_access_key: 'hunter2' };
  const [name = '', value = ''] = attribute.split('=');
  const pairs = Object.entries({ ...values, [name]: value }).map((pair) => pair.join('='));
  const parse = () => parseCacheTo(['type=s3', ...pairs].join(), {});
  expect(parse).toThrow(problem);
  expect(parse).not.toThrow('hunter2');
});

test.each([
  ['a bucket', () => s3Text('proxy')],
  ['GitHub Actions', () => ghaText('proxy')],
])(
  '%s is reached as the environment of the build says, not that of this process',
  async (_, text) => {
    await write(await open(text()), listOf('other'));
    const { place } = parseCacheTo(text(), {});
    const environment = { WIAC_REGISTRY_CA: '/no/such/file' };
    await expect(texts(await cachePlace(place as never, { environment }))).rejects.toThrow(
      '/no/such/file',
    );
  },
);

test.each([
  [301, 'PermanentRedirect', { 'x-amz-bucket-region': 'us-west-2' }, 'the bucket is in us-west-2'],
  [307, 'TemporaryRedirect', {}, 'check region'],
  [403, 'RequestTimeTooSkewed', {}, 'the clock of this machine'],
  [403, 'AccessDenied', { 'x-amz-bucket-region': 'r' }, 'check access_key_id'],
])('a bucket that answers %d %s: what to do, and its words on one line', async (...row) => {
  const [status, code, headers, hint] = row;
  const server = createServer((_, answer) => {
    answer.writeHead(status, headers);
    answer.end(`<Error><Code>${code}</Code><Message>no\n::error::yes</Message></Error>`);
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const { port } = server.address() as AddressInfo;
  const place = await open(
    `type=s3,bucket=b,region=r,endpoint_url=http://127.0.0.1:${port},access_key_id=a,secret_access_key=s`,
  );
  await expect(texts(place)).rejects.toMatchObject({
    message: `GET s3://b/manifests/wiac: the server answered ${status}: ${code}: no ::error::yes`,
    hint: expect.stringContaining(hint),
  });
  server.closeAllConnections();
  server.close();
});

test('what a bucket sends half of is asked for again', async () => {
  const place = await open(s3Text('half'));
  await write(place, listOf('other'));
  const halved = new Set<string>();
  s3.fail = (method, key) => {
    if (method !== 'GET' || halved.has(key)) return undefined;
    halved.add(key);
    return 0;
  };
  expect(await texts(place)).toEqual(['other']);
  // The manifest, and the entries.
  expect(halved.size).toBe(2);
  s3.fail = (method) => (method === 'GET' ? 0 : undefined);
  const reader = await cachePlace(parseCacheTo(s3Text('half'), {}).place as never);
  await expect(texts(reader)).rejects.toMatchObject({
    code: 'IMAGE',
    hint: 'check the network and endpoint_url',
  });
  s3.fail = undefined;
});

test('what GitHub Actions sends half of is asked for again', async () => {
  const place = await open(ghaText('half'));
  await write(place, listOf('other'));
  const halved = new Set<string>();
  gha.fail = (method, key) => {
    if (method !== 'GET' || halved.has(key)) return undefined;
    halved.add(key);
    return 0;
  };
  expect(await texts(place)).toEqual(['other']);
  expect(halved.size).toBe(2);
  gha.fail = undefined;
});

describe.each([
  [
    'a bucket',
    s3Text,
    ({ status, times }: Trouble) => {
      let left = times;
      s3.fail = (method, key) => {
        if (method !== 'GET' || !key.startsWith('manifests/') || left === 0) return undefined;
        left -= 1;
        return status;
      };
    },
  ],
  [
    'GitHub Actions',
    ghaText,
    ({ status, times }: Trouble) => {
      let left = times;
      gha.fail = (method, key) => {
        const isList = method === 'GetCacheEntryDownloadURL' && key.startsWith('wiac-list');
        if (!isList || left === 0) return undefined;
        left -= 1;
        return status;
      };
    },
  ],
])('%s', (_title, text, fail) => {
  test.each([400, 401, 403, 500, 501])(
    'that answers %s when it is asked for the list is not written over',
    async (status) => {
      const place = await open(text(`n${status}`));
      await write(place, listOf('other'));
      fail({ status, times: 10 });
      const writing = write(await open(text(`n${status}`)), listOf('own'));
      await expect(writing).rejects.toMatchObject({
        code: 'IMAGE',
        status,
        message: expect.stringContaining(`the server answered ${status}`),
      });
      fail({ status, times: 0 });
      expect(await texts(place)).toEqual(['other']);
    },
  );
});
