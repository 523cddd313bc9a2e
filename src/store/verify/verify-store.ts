/** Checks a store, or some of its entries, from the index down to the bytes. */

import type { Hash64 } from '../../fs/scan/fingerprint.js';
import { indexScanStore } from '../entries/scan-store.js';
import { auditIndex } from '../index/index-audit.js';
import { getTables } from '../index/tables.js';
import { refresh, write } from '../index/transaction.js';
import { lazyScratch } from '../layers/layer-store.js';
import type { LayerRecord, StepRecord } from '../records.js';
import { getBlobs } from '../records.js';
import { IndexDamagedError } from '../recovery/index-damage.js';
import type { Store } from '../store.js';
import { checkBlob, checkLayerContent } from './check-content.js';
import { checkFiles } from './check-files.js';
import { checkEntry, checkIndex, checkLayerFiles, treeCheck } from './check-index.js';
import { checkRecords } from './check-records.js';
import type { Finding } from './finding.js';

/** How much was looked at. */
export interface Checked {
  readonly entries: number;
  readonly layers: number;
  /** Layers that had no digest to compare with, and have one now. */
  readonly recorded: number;
  readonly blobs: number;
  readonly images: number;
}

/** What was found. */
export interface Verification {
  readonly checked: Checked;
  readonly findings: readonly Finding[];
}

/**
 * What is found twice: other processes may be publishing, or removing, what the first look was at.
 */
async function lasting(store: Store, look: () => Finding[]): Promise<Finding[]> {
  const first = look();
  if (first.length === 0 || getTables(store).self.others().length === 0) return first;
  await new Promise((resume) => setTimeout(resume, SETTLING_MS));
  refresh(getTables(store));
  const getText = ({ id, problem }: Finding) => `${id} ${problem}`;
  const second = new Set(look().map(getText));
  return first.filter((finding) => second.has(getText(finding)));
}

/** Longer than placing a layer and publishing it are apart. ms */
const SETTLING_MS = 200;

function* structure(store: Store, entries: readonly StepRecord[] | undefined): Generator<Finding> {
  const isComplete = treeCheck(store);
  if (entries === undefined) {
    // Files first: what is published in between is in the index then.
    yield* checkFiles(store);
    yield* checkIndex(store, isComplete);
    yield* checkRecords(store);
    return;
  }
  for (const record of entries) {
    yield* checkEntry(store, record, isComplete);
    for (const layer of getLayers(store, [record])) yield* checkLayerFiles(store, layer);
  }
}

function getLayers(store: Store, entries: readonly StepRecord[] | undefined): LayerRecord[] {
  const index = getTables(store);
  if (entries === undefined) return [...index.layers.getRange()].map(({ value }) => value);
  const ids = new Set(entries.flatMap(({ layer }) => (layer === undefined ? [] : [layer])));
  return [...ids].flatMap((id) => index.layers.get(id) ?? []);
}

/**
 * Verifies; changes nothing but that layers without a digest get one.
 * @throws IndexDamagedError when the index itself is
 * @param entries only these and their layers; undefined: the whole store
 * @param deep compare blobs with their digests, and unpacked with their layers
 */
export async function verifyStore(
  store: Store,
  entries: readonly StepRecord[] | undefined,
  deep: boolean,
  hash64: Hash64,
): Promise<Verification> {
  const { paths } = store;
  const index = getTables(store);
  const problem = entries ? undefined : write(index, () => auditIndex(index.file));
  if (problem !== undefined) throw new IndexDamagedError(paths.root, new Error(`it ${problem}`));
  const findings = await lasting(store, () => [...structure(store, entries)]);
  const broken = new Set(findings.map(({ id }) => id));
  const layers = getLayers(store, entries);
  const scratch = lazyScratch(paths);
  let recorded = 0;
  let blobs = 0;
  try {
    for (const record of layers) {
      // A store of its own for each: the nodes of a layer are forgotten with it.
      const scanStore = indexScanStore({ index }, hash64);
      const missing = findings.some(
        ({ repair }) => repair.action === 'drop-layer' && repair.layer === record.id,
      );
      const check = missing ? undefined : await checkLayerContent(store, record, scanStore);
      if (check?.recorded) recorded += 1;
      if (check?.finding) findings.push(check.finding);
      for (const blob of deep ? getBlobs(record) : []) {
        if (broken.has(blob.digest)) continue;
        blobs += 1;
        const { id } = record;
        const finding = await checkBlob(store, blob, id, check?.read, scanStore, scratch.path());
        if (finding) findings.push(finding);
      }
    }
  } finally {
    scratch.remove();
  }
  return {
    checked: {
      entries: entries?.length ?? index.steps.getCount(),
      layers: layers.length,
      recorded,
      blobs,
      images: entries === undefined ? index.images.getCount() : 0,
    },
    findings,
  };
}
