/** Is the index consistent with itself and with the directories? Reads no content of layers. */

import { lstatSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeTree } from '../../fs/scan/tree.js';
import type { TreeDigest } from '../../keys/digest.js';
import { sha256 } from '../../util/canonical-json.js';
import { knownImageId } from '../images/image-ids.js';
import { getTables } from '../index/tables.js';
import { layerLink, layerLinkTarget, layerPath } from '../layers/layer-store.js';
import { isKnownLayer } from '../layers/remote-layers.js';
import { blobPath } from '../paths.js';
import { getPid } from '../pins/live-process.js';
import type { ImageRecord, LayerRecord, StepRecord } from '../records.js';
import { getBlobs } from '../records.js';
import type { Store } from '../store.js';
import type { Finding, RowTable } from './finding.js';

/** Is a node there with everything below it? A node whose text has another digest is not. */
export type TreeCheck = (digest: TreeDigest) => boolean;

/** Looks at each node of the index once. */
export function treeCheck(store: Store): TreeCheck {
  const index = getTables(store);
  const known = new Map<TreeDigest, boolean>();
  const isComplete = (digest: TreeDigest): boolean => {
    const before = known.get(digest);
    if (before !== undefined) return before;
    const text = index.trees.get(digest);
    const complete =
      text !== undefined &&
      sha256(text) === digest &&
      decodeTree(text).every((entry) => entry.type !== 'dir' || isComplete(entry.digest));
    known.set(digest, complete);
    return complete;
  };
  return isComplete;
}

function row(
  table: RowTable,
  key: string,
  problem: string,
  severity: Finding['severity'],
): Finding {
  const repair = { action: 'drop-row', table, key } as const;
  return { severity, subject: 'row', id: `${table} ${key}`, problem, repair };
}

/** An entry: its layer and the trees it was made from. */
export function* checkEntry(
  store: Store,
  record: StepRecord,
  isComplete: TreeCheck,
): Generator<Finding> {
  const index = getTables(store);
  const repair = { action: 'drop-entry', key: record.key } as const;
  const finding = { severity: 'damage', subject: 'entry', id: record.key, repair } as const;
  if (record.layer !== undefined && !isKnownLayer({ index }, record.layer)) {
    yield { ...finding, problem: `its layer ${record.layer} is not in the index` };
  } else if (!record.imported && !record.inputs.files.every(({ tree }) => isComplete(tree))) {
    yield { ...finding, problem: 'the list of files it was made from is incomplete' };
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** The directory, the link and the blob of a layer. */
export function* checkLayerFiles({ paths }: Store, record: LayerRecord): Generator<Finding> {
  const { id } = record;
  const finding = { severity: 'damage', subject: 'layer', id } as const;
  const path = record.external ?? layerPath(paths, id);
  const directory = lstatSync(path, { throwIfNoEntry: false });
  const linked = record.external === undefined || linkTarget(layerPath(paths, id)) === path;
  if (!directory?.isDirectory() || !linked) {
    yield {
      ...finding,
      problem: 'its directory is missing',
      repair: { action: 'drop-layer', layer: id },
    };
    return;
  }
  if (linkTarget(layerLink(paths, id)) !== layerLinkTarget(id)) {
    yield {
      ...finding,
      problem: 'its link in l/ is missing',
      repair: { action: 'link', layer: id },
    };
  }
  for (const blob of getBlobs(record)) {
    const size = statSync(blobPath(paths, blob.digest), { throwIfNoEntry: false })?.size;
    if (size === blob.size) continue;
    yield {
      severity: 'damage',
      subject: 'blob',
      id: blob.digest,
      problem:
        size === undefined
          ? `the file is missing (layer ${id})`
          : `the file has ${size} bytes instead of ${blob.size} (layer ${id})`,
      repair: { action: 'drop-blob', digest: blob.digest },
    };
  }
}

function* checkImage(store: Store, image: ImageRecord): Generator<Finding> {
  const index = getTables(store);
  const missing = image.layers.filter((id) => !index.layers.doesExist(id));
  if (missing.length === 0) return;
  yield {
    severity: 'damage',
    subject: 'image',
    id: knownImageId(store, image) ?? image.id,
    problem: `its layers ${missing.join(', ')} are not in the index`,
    repair: { action: 'drop-image', image: image.id },
  };
}

function* checkLookups(store: Store): Generator<Finding> {
  const index = getTables(store);
  for (const { key, value } of index.contents.getRange()) {
    if (index.steps.get(value)?.contentKey !== key)
      yield row('contents', key, 'leads to no entry', 'garbage');
  }
  for (const { key, value } of index.operations.getRange()) {
    if (!value.every((step) => index.steps.doesExist(step)))
      yield row('operations', key, 'names an entry that is gone', 'garbage');
  }
  for (const key of index.usage.getKeys()) {
    if (!index.steps.doesExist(key)) yield row('usage', key, 'counts for no entry', 'garbage');
  }
  for (const { key, value } of index.diffIds.getRange()) {
    if (!isKnownLayer({ index }, value)) yield row('diffIds', key, 'leads to no layer', 'garbage');
  }
  for (const { key, value } of index.names.getRange()) {
    if (!index.images.doesExist(value)) yield row('names', key, 'leads to no image', 'damage');
  }
}

function* checkLeases(store: Store): Generator<Finding> {
  const index = getTables(store);
  for (const { key, process } of index.leases.list()) {
    if (index.self.isAlive(process)) continue;
    yield {
      severity: 'garbage',
      subject: 'file',
      id: `leases/${key}`,
      problem: `void: process ${getPid(process)} is gone`,
      repair: { action: 'remove', path: join(store.paths.leases, key) },
    };
  }
}

function* checkTrees(store: Store, isComplete: TreeCheck): Generator<Finding> {
  const index = getTables(store);
  for (const { key, value } of index.trees.getRange()) {
    if (sha256(value) !== key) yield row('trees', key, 'its text has another digest', 'damage');
  }
  for (const { key, value } of index.directories.getRange()) {
    if (!isComplete(value.tree)) {
      const readable = key.replace('\0', ' ');
      yield {
        ...row('directories', key, 'its tree is missing', 'damage'),
        id: `directories ${readable}`,
      };
    }
  }
}

/** Everything but the content of layers and blobs. */
export function* checkIndex(store: Store, isComplete: TreeCheck): Generator<Finding> {
  const index = getTables(store);
  for (const { value } of index.steps.getRange()) yield* checkEntry(store, value, isComplete);
  for (const { value } of index.layers.getRange()) yield* checkLayerFiles(store, value);
  for (const { value } of index.images.getRange()) yield* checkImage(store, value);
  yield* checkLookups(store);
  yield* checkLeases(store);
  yield* checkTrees(store, isComplete);
}
