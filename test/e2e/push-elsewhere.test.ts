/** A result that a shared cache has is pushed to the same registry without being fetched. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CountingProxy } from '../support/counting-proxy.js';
import { countRequests } from '../support/counting-proxy.js';
import type { Registry } from '../support/registry.js';
import { startRegistry } from '../support/registry.js';
import { warmMachines } from '../support/warm-command.js';
import { context, dockerfile, ranSteps } from '../support/wiac.js';

const machine = warmMachines();

let registry: Registry;
let proxy: CountingProxy;
beforeAll(async () => {
  registry = await startRegistry();
  proxy = await countRequests(registry.host);
});
afterAll(async () => {
  await proxy.stop();
  await registry.stop();
});

let names = 0;

/** A context, whose cache is in the registry, and the name that its image has there. */
async function built() {
  names += 1;
  const name = (path: string) => `${proxy.host}/${path}${names}`;
  const root = context({
    Dockerfile: dockerfile(
      'RUN head -c 9000 /dev/urandom > /unique',
      'FROM scratch',
      'COPY --from=0 /unique /unique',
      'COPY data /data',
    ),
    data: 'data\n',
  });
  const from = `--cache-from=${name('app/cache')}:v`;
  const first = machine();
  await first.build(root, `--cache-to=type=registry,ref=${name('app/cache')}:v`);
  return { root, from, image: `${name('app')}:v`, other: `${name('other')}:v`, first };
}

/** Blobs that were read: configs of images and lists of caches are among them, layers not. */
const layersRead = (log: readonly string[]) =>
  log.filter((line) => /^GET \S+\/blobs\/sha256:/.test(line)).length;
const layersHere = (root: string) => readdirSync(join(root, 'layers')).length;
const digestOf = async (image: string) =>
  (await machine().wiac(['imagetools', 'inspect', '--raw', image])).stdout;

test('no layer is fetched, and the image is the same', async () => {
  const { root, from, image, other, first } = await built();
  await first.build(root, '-o', `type=registry,name=${image}`);
  const there = machine();
  proxy.log.splice(0);
  const push = ['-o', `type=registry,name=${other}`];
  const { lowerdirs: printed, events } = await there.build(root, from, ...push);
  expect(ranSteps(events)).toEqual([]);
  // The list of the cache alone.
  expect(layersRead(proxy.log)).toBe(1);
  expect(proxy.log.filter((line) => / 201$/.test(line) && line.includes('mount='))).toHaveLength(2);
  expect(proxy.log.filter((line) => line.startsWith('PATCH'))).toEqual([]);
  expect(layersHere(there.root)).toBe(0);
  expect(printed).toMatch(/\/other\d+:v@sha256:[0-9a-f]{64}$/);
  expect(await digestOf(other)).toBe(await digestOf(image));
  expect((await there.wiac(['cache', 'verify'])).exitCode).toBe(0);
  const pulled = machine();
  expect((await pulled.wiac(['pull', other])).exitCode).toBe(0);
  // The next build of the same store fetches what it has to show.
  const { lowerdirs } = await there.build(root, from);
  expect(lowerdirs).toContain(join(there.root, 'l'));
});

test.each<[string, (image: string) => string[]]>([
  ['it is kept here', (image) => ['-o', `type=image,name=${image},push=true`]],
  [
    'it is packed in another way',
    (image) => ['-o', `type=registry,name=${image},compression=zstd`],
  ],
  ['its files get other times', (image) => ['--push', '-t', image, '--timestamp=0']],
  [
    'another registry gets it',
    (image) => ['--push', '-t', image.replace(proxy.host, registry.host)],
  ],
])('the result is fetched where %s', async (_, push) => {
  const { root, from, image } = await built();
  const there = machine();
  const { lowerdirs } = await there.build(root, from, ...push(image));
  expect(lowerdirs).toContain(join(there.root, 'l'));
  expect(layersHere(there.root)).toBe(2);
});
