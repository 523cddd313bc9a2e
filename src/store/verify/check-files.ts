/** Files of the store that nothing refers to. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isBuildFile } from '../builds/build-files.js';
import { getTables } from '../index/tables.js';
import { getPid, getProcess } from '../pins/live-process.js';
import type { LayerId } from '../records.js';
import { getBlobs } from '../records.js';
import type { Store } from '../store.js';
import type { Finding } from './finding.js';

function names(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Everything in layers/, l/, blobs/, builds/ and tmp/ that neither the index nor a process knows. */
export function* checkFiles(store: Store): Generator<Finding> {
  const { paths } = store;
  const index = getTables(store);
  const garbage = (directory: string, name: string, problem: string): Finding => ({
    severity: 'garbage',
    subject: 'file',
    id: join(directory, name).slice(paths.root.length + 1),
    problem,
    repair: { action: 'remove', path: join(directory, name) },
  });
  const blobs = join(paths.blobs, 'sha256');
  // In this order: what is published meanwhile is in the index when that is asked last.
  const places = [paths.layers, paths.links].map((directory) => ({
    directory,
    found: names(directory),
  }));
  const blobFiles = names(blobs);
  const drafts = names(paths.tmp).map((name) => ({ name, owner: getProcess(name) }));
  const working = drafts.filter(({ owner }) => owner && paths.self.isAlive(owner));
  const inWork = new Set(working.map(({ name }) => name.slice(0, name.indexOf('.'))));
  for (const { directory, found } of places) {
    for (const id of found) {
      if (!inWork.has(id) && !index.layers.doesExist(id as LayerId))
        yield garbage(directory, id, 'belongs to no layer');
    }
  }
  const known = new Set(
    [...index.layers.getRange()].flatMap(({ value }) => getBlobs(value).map((blob) => blob.digest)),
  );
  for (const name of blobFiles) {
    // A pull places its blob before it publishes the layer; its draft is still there then.
    if (working.length === 0 && !known.has(`sha256:${name}`))
      yield garbage(blobs, name, 'is the blob of no layer');
  }
  for (const name of names(paths.builds))
    if (!isBuildFile(name)) yield garbage(paths.builds, name, 'is the file of no build');
  for (const { name, owner } of drafts) {
    if (!owner) yield garbage(paths.tmp, name, 'belongs to no process');
    else if (!paths.self.isAlive(owner))
      yield garbage(paths.tmp, name, `process ${getPid(owner)} is gone`);
  }
}
