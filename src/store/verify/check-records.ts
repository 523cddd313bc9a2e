/** Does what lies beside the index say the same as the index? */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordFolder } from '../index/record-files.js';
import { readNotes } from '../index/record-files.js';
import { listRecords, strayRecords } from '../index/stray-records.js';
import { getTables } from '../index/tables.js';
import type { Store } from '../store.js';
import type { Finding } from './finding.js';

function* compare<T, K extends string>(
  folder: RecordFolder<T, K>,
  noted: ReadonlySet<string>,
  records: Iterable<T>,
  what: string,
  getId: (record: T) => string,
): Generator<Finding> {
  for (const record of records) {
    // A process that was killed has noted it: the next build puts it right.
    if (noted.has(folder.markOf(record)) || folder.holds(record)) continue;
    yield {
      severity: 'damage',
      subject: 'record',
      id: `${what} ${getId(record)}`,
      problem: 'it is not as the index has it',
      repair: { action: 'write-record', write: () => folder.put(record) },
    };
  }
}

/** Compares the records with the index. A layer's directory without a record is check-files.ts's. */
export function* checkRecords(store: Store): Generator<Finding> {
  const { paths } = store;
  const index = getTables(store);
  const { files, layers, remoteLayers, steps, images, names } = index;
  const values = <V>(table: { getRange(): Iterable<{ value: V }> }) =>
    [...table.getRange()].map(({ value }) => value);
  const noted = new Set(readdirSync(paths.tmp).flatMap((name) => readNotes(paths.tmp, name) ?? []));
  for (const { path, remove } of strayRecords(listRecords(index))) {
    yield {
      severity: 'garbage',
      subject: 'record',
      id: path.slice(paths.root.length + 1),
      problem: 'the index does not know it',
      repair: { action: 'write-record', write: remove },
    };
  }
  // A layer without its directory is reported as missing: its record is not compared.
  const here = values(layers).filter(({ id }) => existsSync(join(files.layers.path, id)));
  yield* compare(files.layers, noted, here, 'layer', ({ id }) => id);
  yield* compare(files.remoteLayers, noted, values(remoteLayers), 'remote layer', ({ id }) => id);
  yield* compare(files.steps, noted, values(steps), 'entry', ({ key }) => key);
  yield* compare(files.images, noted, values(images), 'image', ({ id }) => id);
  const named = [...names.getRange()].map(({ key: name, value: image }) => ({ name, image }));
  yield* compare(files.names, noted, named, 'name', ({ name }) => name);
}
