/** Carries out COPY and WORKDIR: a layer from files, without a mount. */
import { basename, join } from 'node:path';
import { setXattrs } from '../../fs/layer/copy-files.js';
import type { CopyReport, LinkableSources } from '../../fs/layer/copy-job.js';
import { NOTHING_TO_LINK } from '../../fs/layer/copy-job.js';
import { makeCopyLayer } from '../../fs/layer/copy-layer.js';
import { ancestorXattrs } from '../../fs/layer/destination.js';
import { measureTree } from '../../fs/layer/disk-usage.js';
import { ensureDirectories, writeInlineFiles } from '../../fs/layer/inline-files.js';
import { layerDigest } from '../../fs/layer/layer-digest.js';
import { settleDirectories, withAncestors } from '../../fs/layer/settle-times.js';
import type { Stack } from '../../fs/layer/stack.js';
import { unpackSelection } from '../../fs/layer/unpack-selection.js';
import { amendTree } from '../../fs/scan/amend-tree.js';
import { surveyLayer } from '../../fs/scan/tree-xattrs.js';
import type { Selection } from '../../fs/select/select.js';
import { parentPath } from '../../fs/tree-path.js';
import { openWalker } from '../../fs/walker.js';
import { ensureEntry, setDirectory } from '../../fs/write.js';
import { parseMode } from '../../plan/mode.js';
import type { CopyStep } from '../../plan/step.js';
import { treeReader } from '../../store/entries/entries.js';
import { findLayer } from '../../store/layers/find-layers.js';
import type { Draft } from '../../store/layers/layer-store.js';
import { layerPath } from '../../store/layers/layer-store.js';
import type { LayerId, LayerRecord } from '../../store/records.js';
import type { SourceLocation } from '../../util/errors.js';
import type { ExecutionIo, FormerCopy, WritePlace } from '../executor.js';
import type { CopySources } from './copy-sources.js';
import type { LocalMachine } from './local-machine.js';
import { requireOwner } from './require-owner.js';

/** Runs of selections that are copied together, and archives, each alone, in their order. */
function* groups(
  selections: readonly Selection[],
  archives: readonly Selection[],
): Generator<{ readonly copied: readonly Selection[] } | { readonly archive: Selection }> {
  let copied: Selection[] = [];
  for (const selection of selections) {
    if (!archives.includes(selection)) {
      copied.push(selection);
      continue;
    }
    yield { copied };
    copied = [];
    yield { archive: selection };
  }
  yield { copied };
}

/** Unpacks one archive into the destination. @returns the selection as it was unpacked */
async function unpackInto(
  { store, scanStore }: LocalMachine,
  draft: Draft,
  step: CopyStep,
  { destination, owner }: WritePlace,
  stack: Stack,
  archive: Selection,
): Promise<Selection> {
  const walker = openWalker(draft.diff);
  try {
    ensureDirectories(walker, destination.path, destination, owner ?? { uid: 0, gid: 0 });
  } finally {
    walker.close();
  }
  const read = treeReader(scanStore.readTree);
  const [entry] = read(archive.tree);
  if (entry?.type !== 'file') throw new Error(`${archive.path} is no file`);
  const target = join(draft.diff, destination.path);
  const { location } = step;
  const { limits } = store;
  const request = { target, destination: destination.path, stack, owner, limits, location };
  const unpacked = await unpackSelection(archive, entry, request);
  const changes = unpacked === entry ? new Map() : new Map([[entry.name, unpacked]]);
  const tree = amendTree(read, scanStore.writeTree, archive.tree, changes);
  return { ...archive, tree };
}

/** What was made, with the selections as they were copied. */
export type CopyResult = CopyReport &
  Pick<LayerRecord, 'links' | 'withoutXattrs'> &
  Partial<Pick<LayerRecord, 'digest' | 'tree'>>;

/** What a COPY needs besides the step. */
export interface CopyInputs {
  readonly place: WritePlace;
  readonly sources: CopySources;
  readonly former: FormerCopy | undefined;
  /** The layers of the step that the files are from. */
  readonly reads: readonly LayerId[];
  /** The layers below, topmost first: names of an archive can lead through their links and directories. */
  readonly stack: Stack;
}

/** Layers of this store never change; those that another program keeps are not ours to link. */
function linkableSources({ store }: LocalMachine, layers: readonly LayerId[]): LinkableSources {
  const linkable = new Map<string, string>();
  for (const id of layers) {
    const record = findLayer(store, id);
    if (record && record.external === undefined)
      linkable.set(layerPath(store.paths, id), record.links?.group ?? id);
  }
  return linkable;
}

/** Makes the layer of a COPY or ADD in the draft. */
export async function executeCopy(
  machine: LocalMachine,
  draft: Draft,
  step: CopyStep,
  { place, sources, former: known, reads, stack }: CopyInputs,
  { signal, onBytes }: Pick<ExecutionIo, 'signal' | 'onBytes'>,
): Promise<CopyResult> {
  const { destination, owner } = place;
  const { selections, archives } = sources;
  const { location } = step;
  if (owner) requireOwner(owner, '--chown', location);
  const intoDirectory = step.destination.endsWith('/') || step.destination === '/';
  const former = known && { ...known, path: layerPath(machine.store.paths, known.layer) };
  const { readTree, writeTree } = machine.scanStore;
  const nodes = { read: treeReader(readTree), text: readTree, write: writeTree };
  const request = {
    changes: step.from === undefined,
    destination,
    intoDirectory,
    owner,
    ownership: step.from === undefined ? 'root' : 'keep',
    chmod: step.chmod === undefined ? undefined : parseMode(step.chmod, location),
    former,
    linkable: archives.length === 0 ? linkableSources(machine, reads) : NOTHING_TO_LINK,
    onBytes,
    location,
  } as const;
  const reports: CopyReport[] = [];
  const copied: Selection[] = [];
  for (const group of groups(selections, archives)) {
    if ('archive' in group)
      copied.push(await unpackInto(machine, draft, step, place, stack, group.archive));
    else {
      const part = { ...request, selections: group.copied };
      const report = await makeCopyLayer(draft.diff, part, nodes, signal);
      reports.push(report);
      copied.push(...report.selections);
    }
  }
  if (step.inline.length > 0) {
    const mode = request.chmod ? request.chmod(0o644, false) : 0o644;
    const inline = { ...request, owner: owner ?? { uid: 0, gid: 0 }, mode };
    writeInlineFiles(draft.diff, step.inline, inline);
  }
  const xattrs = ancestorXattrs(destination);
  if (archives.length > 0 || step.inline.length > 0) await setXattrs(draft.diff, xattrs);
  const made = reports.flatMap((report) => report.made);
  settleDirectories(draft.diff, [...made, ...withAncestors(destination.path)]);
  const [first] = reports;
  if (!first) throw new Error('a COPY without a part');
  const { group, linkedDisk } = first;
  const links = group === undefined ? undefined : { group: group as LayerId, disk: linkedDisk };
  const survey = xattrs.size > 0 || destination.shared ? { withoutXattrs: false } : {};
  const isWhole = archives.length === 0 && step.inline.length === 0;
  const fresh = isWhole ? first.fresh : undefined;
  const report = { ...first, ...survey, made, selections: copied, links, fresh };
  if (isWhole) {
    const { composed } = report;
    if (!composed) return report;
    return { ...report, tree: composed.tree, digest: layerDigest(draft.diff, composed, []) };
  }
  if (archives.length === 0) return { ...report, ...measureTree(draft.diff) };
  // What an archive gives its files is looked up now, and need not be waited for by a push.
  const { totals, withoutXattrs } = await surveyLayer(draft.diff, { measure: true });
  const { entries: files, bytes, disk } = totals;
  return { ...report, files, bytes, disk, withoutXattrs };
}

/**
 * Makes the directory of a WORKDIR.
 * @returns false when it is there already and no layer is needed
 */
export async function executeWorkdir(
  draft: Draft,
  { destination, owner }: WritePlace,
  location: SourceLocation,
): Promise<boolean> {
  if (destination.kind === 'directory' || destination.path === '') return false;
  const { uid, gid } = owner ?? { uid: 0, gid: 0 };
  requireOwner({ uid, gid }, 'WORKDIR', location);
  const own = { path: destination.path, existing: undefined };
  const walker = openWalker(draft.diff);
  try {
    for (const { path, existing } of [...destination.ancestors, own]) {
      ensureEntry(walker.at(parentPath(path)), basename(path));
      setDirectory(walker.at(path), existing ?? { mode: 0o755, uid, gid });
    }
  } finally {
    walker.close();
  }
  await setXattrs(draft.diff, ancestorXattrs(destination));
  settleDirectories(draft.diff, withAncestors(destination.path));
  return true;
}
