/** A result keeps its layers while it is written, also when nothing but look-ups made it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { buildDockerfile } from '../../src/engine/build-dockerfile.js';
import type { BuildEvent } from '../../src/engine/events.js';
import { exportResult } from '../../src/engine/exports/export-result.js';
import { parseOutput } from '../../src/engine/exports/output-spec.js';
import { removeEntries } from '../../src/store/entries/remove-entries.js';
import { getTables } from '../../src/store/index/tables.js';
import { closeStore, openStore } from '../../src/store/store.js';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wiac-export-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each(['tar', 'oci', 'docker'])('%s: its entries are removed meanwhile', async (type) => {
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\nCOPY a /\nCOPY b /\n');
  for (const name of ['a', 'b']) writeFileSync(join(directory, name), name.repeat(200_000));
  const root = join(directory, 'store');
  const first = await openStore(root);
  await buildDockerfile(first, { context: directory });
  await closeStore(first);

  // As another process would: it has used nothing yet, and finds every step.
  const store = await openStore(root);
  const result = await buildDockerfile(store, { context: directory });
  expect(result.named.result.executed).toBe(0);
  const kept: boolean[] = [];
  const stdout = new Writable({
    write(_chunk, _encoding, done) {
      const entries = [...getTables(store).steps.getRange()].map(({ value }) => value);
      kept.push(...removeEntries(store, entries).map(({ layerKept }) => layerKept));
      done();
    },
  });
  const events: BuildEvent[] = [];
  await exportResult(store, result, {
    onEvent: (event) => events.push(event),
    outputs: [parseOutput(`type=${type},dest=-`)],
    names: [],
    stdout,
  });
  expect(kept).toEqual([true, true]);
  const done = events.flatMap((event) =>
    event.type === 'transfer' && event.state === 'done' ? [`${event.what} ${event.name}`] : [],
  );
  // Two layers and the config.
  expect(new Set(done).size).toBe(type === 'tar' ? 0 : 3);
  await closeStore(store);
});
