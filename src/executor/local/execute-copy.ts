/** Carries out COPY and WORKDIR: a layer from files, without a mount. */
import { basename, join } from 'node:path';
import { setXattrs } from '../../fs/layer/copy-files.js';
import type { CopyReport, CopyRequest, LinkableSources } from '../../fs/layer/copy-job.js';
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

/** Is its destination written as a directory, whatever is there? */
function namesDirectory({ destination }: CopyStep): boolean {
  return destination.endsWith('/');
}

/** What all parts of a COPY have in common. */
function copyRequest(
  machine: LocalMachine,
  step: CopyStep,
  { place: { destination, owner }, sources, former, reads }: CopyInputs,
): Omit<CopyRequest, 'selections'> {
  const { location } = step;
  const isLinkable = sources.archives.length === 0;
  return {
    changes: step.from === undefined,
    destination,
    intoDirectory: namesDirectory(step),
    owner,
    ownership: step.from === undefined ? 'root' : 'keep',
    chmod: step.chmod === undefined ? undefined : parseMode(step.chmod, location),
    former: former && { ...former, path: layerPath(machine.store.paths, former.layer) },
    linkable: isLinkable ? linkableSources(machine, reads) : NOTHING_TO_LINK,
    location,
  };
}

/** What the parts of a COPY have made. */
interface Parts {
  readonly first: CopyReport;
  /** Directories that stand for no directory of a source, relative to the layer. */
  readonly made: readonly string[];
  readonly selections: readonly Selection[];
}

/** Copies and unpacks into the draft what the step selects. */
async function placeSources(
  machine: LocalMachine,
  draft: Draft,
  step: CopyStep,
  inputs: CopyInputs,
  { signal, onBytes }: Pick<ExecutionIo, 'signal' | 'onBytes'>,
): Promise<Parts> {
  const { place, sources, stack } = inputs;
  const { readTree, writeTree } = machine.scanStore;
  const nodes = { read: treeReader(readTree), text: readTree, write: writeTree };
  const request = { ...copyRequest(machine, step, inputs), onBytes };
  const reports: CopyReport[] = [];
  const selections: Selection[] = [];
  for (const group of groups(sources.selections, sources.archives)) {
    if ('archive' in group)
      selections.push(await unpackInto(machine, draft, step, place, stack, group.archive));
    else {
      const part = { ...request, selections: group.copied };
      const report = await makeCopyLayer(draft.diff, part, nodes, signal);
      reports.push(report);
      selections.push(...report.selections);
    }
  }
  const [first] = reports;
  if (!first) throw new Error('a COPY without a part');
  return { first, made: reports.flatMap(({ made }) => made), selections };
}

/** Here-documents become files of the draft. */
function placeInline(draft: Draft, step: CopyStep, { destination, owner }: WritePlace): void {
  const { inline, chmod, location } = step;
  const mode = chmod === undefined ? 0o644 : parseMode(chmod, location)(0o644, false);
  const intoDirectory = namesDirectory(step);
  const given = { destination, intoDirectory, owner: owner ?? { uid: 0, gid: 0 }, mode, location };
  writeInlineFiles(draft.diff, inline, given);
}

/** Measures what archives and here-documents have made, for the index. */
async function measureMade(
  draft: Draft,
  hasArchives: boolean,
): Promise<Partial<Pick<CopyResult, 'files' | 'bytes' | 'disk' | 'withoutXattrs'>>> {
  if (!hasArchives) return measureTree(draft.diff);
  // What an archive gives its files is looked up now, and need not be waited for by a push.
  const { totals, withoutXattrs } = await surveyLayer(draft.diff, { measure: true });
  const { entries: files, bytes, disk } = totals;
  return { files, bytes, disk, withoutXattrs };
}

/** Makes the layer of a COPY or ADD in the draft. */
export async function executeCopy(
  machine: LocalMachine,
  draft: Draft,
  step: CopyStep,
  inputs: CopyInputs,
  io: Pick<ExecutionIo, 'signal' | 'onBytes'>,
): Promise<CopyResult> {
  const { destination, owner } = inputs.place;
  if (owner) requireOwner(owner, '--chown', step.location);
  const { first, made, selections } = await placeSources(machine, draft, step, inputs, io);
  if (step.inline.length > 0) placeInline(draft, step, inputs.place);
  const hasArchives = inputs.sources.archives.length > 0;
  const isWhole = !hasArchives && step.inline.length === 0;
  const xattrs = ancestorXattrs(destination);
  if (!isWhole) await setXattrs(draft.diff, xattrs);
  settleDirectories(draft.diff, [...made, ...withAncestors(destination.path)]);
  const { group, linkedDisk, composed } = first;
  const links = group === undefined ? undefined : { group: group as LayerId, disk: linkedDisk };
  const survey = xattrs.size > 0 || destination.shared ? { withoutXattrs: false } : {};
  const report = { ...first, ...survey, made, selections, links };
  if (!isWhole) return { ...report, fresh: undefined, ...(await measureMade(draft, hasArchives)) };
  if (!composed) return report;
  return { ...report, tree: composed.tree, digest: layerDigest(draft.diff, composed, []) };
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
