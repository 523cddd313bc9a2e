/** Images are pulled whatever becomes of the threads that unpack them. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { installed } from '../support/installed.js';
import { context, sharedDir } from '../support/wiac.js';

const PORT = 'require("node:worker_threads").parentPort';

const text = (lines: number) => Array.from({ length: lines }, (_, n) => `${n * 7919}\n`).join('');

let layout: string;

beforeAll(async () => {
  layout = join(sharedDir(), 'layout');
  const directory = context({
    Dockerfile: 'FROM scratch\nCOPY a /\nCOPY b /\nCOPY c /\nCOPY a /d\n',
    a: text(300_000),
    b: text(200_000),
    c: text(100_000),
  });
  await installed().run('build', '-o', `type=oci,tar=false,dest=${layout}`, directory);
});

test.each([
  ["can't be started", undefined],
  ['end at once', () => 'process.exit();'],
  ['end at work', (code: string) => `${PORT}.once("message", () => { throw 1; });${code}`],
  [
    'end in the middle',
    (code: string) =>
      `${PORT}.on("message", ({ port }) => port.on("message", () => process.exit()));${code}`,
  ],
])('an image comes whole with threads that %s', async (_, change) => {
  const changed = installed();
  const worker = join(changed.dist, 'unpack-worker.cjs');
  if (change) writeFileSync(worker, change(readFileSync(worker, 'utf8')));
  else rmSync(worker);
  await changed.run('pull', `oci-layout://${layout}`);
  const store = join(changed.dist, '../store/layers');
  const files = readdirSync(store, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\/diff\/.$/.test(path))
    .map((path) => `${basename(path)} ${readFileSync(join(store, path)).length}`);
  expect(files.sort()).toEqual(
    Object.entries({ a: 300_000, b: 200_000, c: 100_000, d: 300_000 }).map(
      ([name, lines]) => `${name} ${text(lines).length}`,
    ),
  );
  await changed.run('cache', 'verify');
});
