/** Images are written whatever becomes of the threads that compress them. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Installed } from '../support/installed.js';
import { installed } from '../support/installed.js';
import { context } from '../support/wiac.js';

const text = (lines: number) => Array.from({ length: lines }, (_, n) => `${n * 7919}\n`).join('');

/** The archive of an image. */
async function archiveBy({ dist, run }: Installed, directory: string): Promise<Buffer> {
  const archive = join(dist, 'archive');
  await run('build', '-o', `type=oci,dest=${archive}`, directory);
  return readFileSync(archive);
}

const PORT = 'require("node:worker_threads").parentPort';

test.each([
  ["can't be started", undefined],
  ['end at once', () => 'process.exit();'],
  ['end at work', (code: string) => `${PORT}.once("message", () => { throw 1; });${code}`],
])('the same image comes of threads that %s', async (_, change) => {
  const directory = context({
    Dockerfile: 'FROM scratch\nCOPY a /\nCOPY b /\n',
    a: text(500_000),
    b: text(700_000),
  });
  const changed = installed();
  const worker = join(changed.dist, 'gzip-worker.cjs');
  if (change) writeFileSync(worker, change(readFileSync(worker, 'utf8')));
  else rmSync(worker);
  const archive = await archiveBy(changed, directory);
  expect(archive.equals(await archiveBy(installed(), directory))).toBe(true);
});
