/** Carries out COPY and WORKDIR: a layer from files, without a mount. */
import { chmodSync, existsSync, lchownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { findByOperation, treeReader } from '../cache/entries.js';
import type { Draft } from '../cache/layer-store.js';
import { layerPath } from '../cache/layer-store.js';
import type { LayerId, LayerRecord } from '../cache/records.js';
import type { Selection } from '../context/select.js';
import type { SourceLocation } from '../errors.js';
import { canonicalJson } from '../keys/digest.js';
import { isArchive, unpackArchive } from '../layers/archive.js';
import type { CopyReport, FormerLayer } from '../layers/copy-job.js';
import { makeCopyLayer } from '../layers/copy-layer.js';
import { measureTree } from '../layers/disk-usage.js';
import { layerMarks } from '../layers/layer-digest.js';
import { NO_TIME, settleDirectories, stampTree, withAncestors } from '../layers/times.js';
import { parseMode } from '../plan/mode.js';
import type { CopyStep } from '../plan/step.js';
import type { DestinationReads, KeyedInputs } from './lookup.js';
import type { BuildSession } from './session.js';

/**
 * A layer that the same instruction made before at the same place. It is not declared as used: what
 * is pruned before it is linked is copied.
 */
function formerLayer(
  session: BuildSession,
  keyed: KeyedInputs,
  reads: DestinationReads,
): (FormerLayer & { readonly group: LayerId }) | undefined {
  const facts = canonicalJson(reads.facts);
  const { index, paths } = session.store;
  for (const record of findByOperation(index, keyed.operation)) {
    // Elsewhere, or beside other directories, the same file could get another path.
    if (record.layer === undefined || canonicalJson(record.reads ?? null) !== facts) continue;
    // What another machine made may be there without its files, or without the trees of them.
    const trees = record.inputs.files.map(({ tree }) => tree);
    if (!index.layers.doesExist(record.layer)) continue;
    if (!trees.every((tree) => session.scanStore.readTree(tree) !== undefined)) continue;
    return {
      path: layerPath(paths, record.layer),
      selections: record.inputs.files,
      group: index.layers.get(record.layer)?.links?.group ?? record.layer,
    };
  }
  return undefined;
}

/** Files whose content stands in the Dockerfile. */
function writeInline(
  draft: Draft,
  step: CopyStep,
  reads: DestinationReads,
  intoDirectory: boolean,
): void {
  const { destination, owner } = reads;
  const { uid, gid } = owner ?? { uid: 0, gid: 0 };
  const mode =
    step.chmod === undefined ? 0o644 : parseMode(step.chmod, step.location)(0o644, false);
  for (const { name, content } of step.inline) {
    const directory = intoDirectory || destination.kind === 'directory';
    const path = join(draft.diff, destination.path, directory ? name : '');
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    lchownSync(path, uid, gid);
    chmodSync(path, mode);
    stampTree(path, NO_TIME);
  }
}

/** Which selections are archives that are to be unpacked. */
async function archivesOf(step: CopyStep, selections: readonly Selection[]): Promise<Selection[]> {
  if (step.unpack === 'never') return [];
  const archives: Selection[] = [];
  for (const selection of selections) {
    const [file] = selection.files.children;
    if (selection.kind !== 'file' || file?.stats.kind !== 'file') continue;
    if (step.unpack === 'always' || (await isArchive(file.hostPath))) archives.push(selection);
  }
  return archives;
}

/** Unpacks archives into the destination, which becomes a directory. */
async function unpackArchives(
  draft: Draft,
  archives: readonly Selection[],
  { destination, owner }: DestinationReads,
  location: SourceLocation,
): Promise<void> {
  if (archives.length === 0) return;
  const target = join(draft.diff, destination.path);
  const made = !existsSync(target);
  mkdirSync(target, { recursive: true });
  if (made && owner) lchownSync(target, owner.uid, owner.gid);
  for (const { files } of archives) {
    const [file] = files.children;
    if (file) await unpackArchive(file.hostPath, target, location);
  }
  if (!owner) return;
  const { execa } = await import('execa');
  await execa('chown', ['-hR', `${owner.uid}:${owner.gid}`, '--', target]);
}

/** Makes the layer of a COPY or ADD in the draft. */
export async function executeCopy(
  session: BuildSession,
  draft: Draft,
  step: CopyStep,
  keyed: KeyedInputs,
  reads: DestinationReads,
  selections: readonly Selection[],
): Promise<CopyReport & Pick<LayerRecord, 'links' | 'withoutXattrs'>> {
  const intoDirectory = step.destination.endsWith('/') || step.destination === '/';
  const archives = await archivesOf(step, selections);
  const linkable = archives.length === 0 && !session.skipsCache(step);
  const former = linkable ? formerLayer(session, keyed, reads) : undefined;
  const report = await makeCopyLayer(
    draft.diff,
    {
      selections: selections.filter((selection) => !archives.includes(selection)),
      destination: reads.destination,
      intoDirectory,
      owner: reads.owner,
      ownership: step.from === undefined ? 'root' : 'keep',
      chmod: step.chmod === undefined ? undefined : parseMode(step.chmod, step.location),
      former,
      location: step.location,
    },
    treeReader(session.scanStore.readTree),
  );
  writeInline(draft, step, reads, intoDirectory);
  await unpackArchives(draft, archives, reads, step.location);
  settleDirectories(draft.diff, [...report.made, ...withAncestors(reads.destination.path)]);
  const simple = archives.length === 0 && step.inline.length === 0;
  const links =
    former && report.linked > 0 ? { group: former.group, disk: report.linkedDisk } : undefined;
  if (simple) return { ...report, links };
  if (archives.length === 0) return { ...report, ...measureTree(draft.diff), links };
  // What an archive gives its files is looked up now, in a process beside this one, and need not
  // be waited for by a push.
  const [{ withoutXattrs }, measures] = await Promise.all([
    layerMarks(draft.diff),
    // Its process starts first.
    setImmediate().then(() => measureTree(draft.diff)),
  ]);
  return { ...report, ...measures, links, withoutXattrs };
}

/**
 * Makes the directory of a WORKDIR.
 * @returns false when it is there already and no layer is needed
 */
export function executeWorkdir(draft: Draft, reads: DestinationReads): boolean {
  const { destination, owner } = reads;
  if (destination.kind === 'directory' || destination.path === '') return false;
  const { uid, gid } = owner ?? { uid: 0, gid: 0 };
  const own = { path: destination.path, existing: undefined };
  for (const { path, existing } of [...destination.ancestors, own]) {
    const target = join(draft.diff, path);
    mkdirSync(target);
    const attributes = existing ?? { mode: 0o755, uid, gid };
    lchownSync(target, attributes.uid, attributes.gid);
    chmodSync(target, attributes.mode);
  }
  settleDirectories(draft.diff, withAncestors(destination.path));
  return true;
}
