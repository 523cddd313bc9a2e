/** Puts findings right: rows in one transaction, files after it. */
import { rmSync, symlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { removeTree } from '../../fs/remove-tree.js';
import type { ContentKey, DefinitionKey, OperationDigest, TreeDigest } from '../../keys/digest.js';
import { dropBlob, dropEntry, dropImages, dropLayers, removeName } from '../gc/drop.js';
import type { CacheIndex } from '../index/index-db.js';
import { readNotes } from '../index/record-files.js';
import { repairNoted } from '../index/repair-record.js';
import { getTables } from '../index/tables.js';
import { write } from '../index/transaction.js';
import { announceRemoval, layerLink, layerLinkTarget, removeLayer } from '../layers/layer-store.js';
import type { StorePaths } from '../paths.js';
import { blobPath } from '../paths.js';
import { getPid } from '../pins/live-process.js';
import type { Store } from '../store.js';
import type { Finding, Repair, RowTable } from './finding.js';

function dropRow(index: CacheIndex, table: RowTable, key: string): void {
  if (table === 'operations') {
    // Only the entries that are gone leave the list.
    const operation = key as OperationDigest;
    const left = (index.operations.get(operation) ?? []).filter((step) =>
      index.steps.doesExist(step),
    );
    if (left.length > 0) index.operations.putSync(operation, left);
    else index.operations.removeSync(operation);
  } else if (table === 'contents') index.contents.removeSync(key as ContentKey);
  else if (table === 'usage') index.usage.removeSync(key as DefinitionKey);
  else if (table === 'trees') index.trees.removeSync(key as TreeDigest);
  else if (table === 'names') removeName(index, key);
  else index[table].removeSync(key);
}

type Action<Name extends Repair['action']> = Extract<Repair, { readonly action: Name }>;

function select<Name extends Repair['action']>(
  findings: readonly Finding[],
  action: Name,
): Action<Name>[] {
  return findings
    .map(({ repair }) => repair)
    .filter((repair): repair is Action<Name> => repair.action === action);
}

/** @returns digests of blobs whose files can go */
function repairRows(index: CacheIndex, findings: readonly Finding[]): string[] {
  for (const { key } of select(findings, 'drop-entry')) {
    const record = index.steps.get(key);
    if (record) dropEntry(index, record);
  }
  const { blobs } = dropLayers(
    index,
    new Set(select(findings, 'drop-layer').map(({ layer }) => layer)),
  );
  dropImages(index, new Set(select(findings, 'drop-image').map(({ image }) => image)));
  const damaged = select(findings, 'drop-blob').map(({ digest }) => digest);
  for (const digest of damaged) dropBlob(index, digest);
  for (const { table, key } of select(findings, 'drop-row')) dropRow(index, table, key);
  return [...blobs, ...damaged];
}

/** What processes that are gone have noted of records is put right before their notes go. */
function repairNotes(index: CacheIndex, { tmp }: StorePaths, findings: readonly Finding[]): void {
  for (const { path } of select(findings, 'remove'))
    if (dirname(path) === tmp) repairNoted(index, readNotes(tmp, basename(path)) ?? []);
}

/**
 * Repairs everything, or nothing when another process has the store open: it may have looked up
 * what would be dropped.
 * @returns pids of those processes, [] when everything was repaired
 */
export function repairStore(store: Store, findings: readonly Finding[]): number[] {
  const { paths } = store;
  const index = getTables(store);
  const { busy, blobs } = write(index, () => {
    const others = index.self.others().map(getPid);
    if (others.length > 0) return { busy: others, blobs: [] };
    for (const { layer } of select(findings, 'drop-layer')) announceRemoval(paths, layer);
    for (const { write: repair } of select(findings, 'write-record')) repair();
    repairNotes(index, paths, findings);
    return { busy: [], blobs: repairRows(index, findings) };
  });
  if (busy.length > 0) return busy;
  for (const { layer } of select(findings, 'drop-layer')) removeLayer(paths, layer);
  for (const digest of blobs) rmSync(blobPath(paths, digest), { force: true });
  for (const { layer } of select(findings, 'link')) {
    rmSync(layerLink(paths, layer), { force: true });
    symlinkSync(layerLinkTarget(layer), layerLink(paths, layer));
  }
  for (const { path } of select(findings, 'remove')) removeTree(path);
  return [];
}
