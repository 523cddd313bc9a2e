/** What a store notes of the blobs of a shared cache's repository: they are asked for once a day, and come back. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

const root = () => context({ Dockerfile: dockerfile('RUN echo 1 > /1', 'RUN echo 2 > /2') });
const links = () => join(registry.data, 'docker/registry/v2/repositories/app/_layers/sha256');
const target = (tag: string) => `--cache-to=type=registry,ref=${proxy.host}/app:${tag},mode=max`;

/** Digests that were asked for while something ran. */
async function asked(action: () => Promise<unknown>): Promise<string[]> {
  proxy.log.length = 0;
  await action();
  return proxy.log.flatMap((line) => line.match(/(?<=^HEAD \S+\/blobs\/sha256:)[0-9a-f]+/) ?? []);
}

test('asked for once a day; what is gone comes back, at once when the registry refuses the list', async () => {
  const directory = root();
  const made = machine();
  const first = await asked(() => made.build(directory, target('a')));
  const layers = readdirSync(join(made.root, 'blobs/sha256'));
  expect(layers).toHaveLength(3);
  expect(first).toEqual(expect.arrayContaining(layers));
  const again = await asked(() => made.build(directory, target('b')));
  // One of them, as there is no list of that name.
  expect(again.filter((digest) => layers.includes(digest))).toHaveLength(1);
  const third = await asked(() => made.build(directory, target('b')));
  expect(third.filter((digest) => layers.includes(digest))).toEqual([]);

  const runsElsewhere = async (tag: string) => {
    const from = `--cache-from=type=registry,ref=${registry.host}/app:${tag}`;
    return ranSteps((await machine().build(directory, from)).events);
  };
  const lose = () => {
    for (const digest of layers) rmSync(join(links(), digest), { recursive: true });
  };
  lose();
  expect(await runsElsewhere('b')).toHaveLength(3);
  await made.build(directory, target('c'));
  expect(await runsElsewhere('c')).toEqual([]);

  lose();
  const notes = join(made.root, 'cache-notes');
  for (const name of readdirSync(notes)) {
    const noted = JSON.parse(readFileSync(join(notes, name), 'utf8'));
    writeFileSync(join(notes, name), JSON.stringify({ ...noted, day: noted.day - 1 }));
  }
  // The list is there, and stays as it is.
  await made.build(directory, target('a'));
  expect(await runsElsewhere('a')).toEqual([]);
});
