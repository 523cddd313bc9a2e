/**
 * Makes the index again from the records that lie beside it. What only the index knows can be lost:
 * fingerprints and trees of files are computed again, times of use begin anew.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { indexEntry } from '../entries/entries.js';
import { addCacheBytes, addedBytes } from '../gc/totals.js';
import type { CacheIndex } from '../index/index-db.js';
import { openIndex } from '../index/index-db.js';
import type { Kept, RecordFolder, Written } from '../index/record-files.js';
import { certainty, noteSynced } from '../index/record-files.js';
import { listRecords, strayRecords } from '../index/stray-records.js';
import { clearPlace, layerPath } from '../layers/layer-store.js';
import { isKnownLayer } from '../layers/remote-layers.js';
import type { StorePaths } from '../paths.js';
import { blobPath } from '../paths.js';
import type { BlobRecord, LayerId, LayerRecord } from '../records.js';
import { getBlobs } from '../records.js';
import { blobMark, layerMark, markUnsynced, syncFileSystem } from './durability.js';
import { isSameSession, sinceBoot } from './session.js';

/** What there is after the index was made again. */
export interface Rebuilt {
  /** What was wrong with the former one. */
  readonly damage: string;
  readonly layers: number;
  readonly entries: number;
  readonly images: number;
}

/** Beginning of the name of a damaged index, which is kept so that the damage can be examined. */
export const DAMAGED = 'index.damaged-';

/** What a pass over the records takes. */
interface Pass {
  readonly paths: StorePaths;
  readonly index: CacheIndex;
  readonly isCertain: (written: Written) => boolean;
  /** Was it written when the last sync had begun already? */
  readonly isRecent: (written: Written) => boolean;
}

function* getRecords<T, K extends string>(
  { isCertain }: Pass,
  folder: RecordFolder<T, K>,
): Generator<Kept<T>> {
  for (const name of folder.names()) {
    const kept = folder.read(name);
    if (kept && isCertain(kept.written)) yield kept;
  }
}

/** The record with those of its blobs that are here. */
function withBlobsHere(paths: StorePaths, layer: LayerRecord): LayerRecord {
  const isHere = ({ digest, size }: BlobRecord) =>
    statSync(blobPath(paths, digest), { throwIfNoEntry: false })?.size === size;
  const { blob, variants, ...rest } = layer;
  const kept = Object.entries(variants ?? {}).filter(([, variant]) => isHere(variant));
  return {
    ...rest,
    ...(blob && isHere(blob) ? { blob } : {}),
    ...(kept.length > 0 ? { variants: Object.fromEntries(kept) } : {}),
  };
}

function addLayers(pass: Pass): void {
  const { paths, index, isRecent } = pass;
  for (const { record, written } of getRecords(pass, index.files.layers)) {
    // One that another program keeps is there, or not, whatever the index says.
    if (!record.external && !existsSync(layerPath(paths, record.id))) continue;
    const layer = withBlobsHere(paths, record);
    index.layers.putSync(layer.id, layer);
    const blobs = getBlobs(layer);
    for (const { diffId } of blobs) index.diffIds.putSync(diffId, layer.id);
    addCacheBytes(index, addedBytes(layer) + blobs.reduce((sum, { size }) => sum + size, 0));
    if (!isRecent(written)) continue;
    markUnsynced(index, layerMark(layer.id));
    for (const { digest } of blobs) markUnsynced(index, blobMark(digest));
  }
  for (const { record } of getRecords(pass, index.files.remoteLayers)) {
    if (isKnownLayer({ index }, record.id)) continue;
    index.remoteLayers.putSync(record.id, record);
    index.diffIds.putSync(record.diffId, record.id);
  }
}

function addEntries(pass: Pass): void {
  const { index } = pass;
  const steps = [...getRecords(pass, index.files.steps)].map(({ record }) => record);
  for (const step of steps.sort((a, b) => a.created - b.created)) {
    if (step.layer !== undefined && !isKnownLayer({ index }, step.layer)) continue;
    // The trees of its files are gone: as if another machine had made it.
    indexEntry(index, { ...step, imported: true });
  }
}

function addImages(pass: Pass): void {
  const { index } = pass;
  for (const { record } of getRecords(pass, index.files.images)) {
    if (record.layers.every((id) => index.layers.doesExist(id)))
      index.images.putSync(record.id, record);
  }
  for (const { record } of getRecords(pass, index.files.names)) {
    const { name, image } = record;
    if (index.images.doesExist(image)) index.names.putSync(name, image);
  }
}

/** Cache mounts begin a new life: one that seems to be unused for years would be pruned. */
function addMounts({ paths, index }: Pass): void {
  const lastUsed = Date.now();
  for (const name of readdirSync(paths.mounts)) index.mounts.putSync(name, { id: name, lastUsed });
}

/** What running processes said they use is gone with the index: they keep everything till they end. */
function holdForOthers({ index }: Pass): void {
  for (const process of index.self.others())
    index.uses.putSync(process, { process, layers: [], mounts: [], everything: true });
}

/** Layers and records that the new index does not have; no other process is there to publish them. */
function removeStrays({ paths, index }: Pass): void {
  if (index.self.others().length > 0) return;
  const ids = new Set([...readdirSync(paths.layers), ...readdirSync(paths.links)]) as Set<LayerId>;
  for (const id of ids) if (!index.layers.doesExist(id)) clearPlace(paths, id);
  for (const { remove } of strayRecords(listRecords(index))) remove();
}

/** Puts the new index in the place of the old one, which is kept under another name. */
function replaceIndex(paths: StorePaths, draft: string): void {
  for (const name of readdirSync(paths.root))
    if (name.startsWith(DAMAGED)) rmSync(join(paths.root, name), { recursive: true, force: true });
  if (existsSync(paths.index)) renameSync(paths.index, join(paths.root, DAMAGED + Date.now()));
  renameSync(draft, paths.index);
}

/**
 * Makes the index again. The caller has the index lock, and no index open. A process that has the
 * old one open finds that out with its next write (transaction.ts).
 * @param damage what is wrong with the old one
 * @throws NoSpaceError, StoreError when the file system reports an error
 */
export async function rebuildIndex(paths: StorePaths, damage: string): Promise<Rebuilt> {
  const began = sinceBoot();
  // Which layers were not certainly on disk is not known any more: now they are.
  await syncFileSystem(paths.root);
  const draft = join(paths.tmp, `index.${paths.self.id}`);
  mkdirSync(draft);
  const index = openIndex(paths, draft);
  const pass: Pass = {
    paths,
    index,
    isCertain: certainty(paths),
    isRecent: (written) => isSameSession(written.boot, paths.session) && written.at >= began,
  };
  index.environment.transactionSync(() => {
    addLayers(pass);
    addEntries(pass);
    addImages(pass);
    addMounts(pass);
    holdForOthers(pass);
  });
  const counts = {
    layers: index.layers.getCount(),
    entries: index.steps.getCount(),
    images: index.images.getCount(),
  };
  removeStrays(pass);
  await index.environment.close();
  index.newest.close();
  replaceIndex(paths, draft);
  noteSynced(paths, began);
  return { damage, ...counts };
}
