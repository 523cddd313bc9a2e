/** Reads layers and blobs, and compares them with their digests. */
import { createReadStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { unpackLayer } from '../../fs/archive/unpack-layer.js';
import { measureOnce, measureTree } from '../../fs/layer/disk-usage.js';
import { digestLayer, opaqueDirectories } from '../../fs/layer/layer-digest.js';
import { digestFile } from '../../fs/read.js';
import { removeTree } from '../../fs/remove-tree.js';
import type { TreeChange } from '../../fs/scan/tree.js';
import { decodeTree, diffTrees } from '../../fs/scan/tree.js';
import type { LayerDigest, TreeDigest } from '../../keys/digest.js';
import { ContextError, WiacError } from '../../util/errors.js';
import { saysFull } from '../../util/no-space.js';
import { asLimitError } from '../../util/open-files.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import { updateLayer } from '../entries/entries.js';
import type { IndexScanStore } from '../entries/scan-store.js';
import { getTables } from '../index/tables.js';
import { refresh } from '../index/transaction.js';
import { layerFiles } from '../layers/layer-store.js';
import { blobPath } from '../paths.js';
import type { BlobRecord, LayerId, LayerRecord } from '../records.js';
import type { Store } from '../store.js';
import type { Finding } from './finding.js';

/** A layer as its files say now. */
interface ReadLayer {
  readonly digest: LayerDigest;
  readonly tree: TreeDigest;
  readonly opaque: readonly string[];
}

/** What reading one layer told. */
export interface LayerCheck {
  readonly finding: Finding | undefined;
  /** It had no digest until now. */
  readonly recorded: boolean;
  readonly read: ReadLayer | undefined;
}

/** Differences between two trees; [] also when the nodes of one are not known any more. */
function changes(scanStore: IndexScanStore, before: TreeDigest, after: TreeDigest): TreeChange[] {
  const read = (digest: TreeDigest) => decodeTree(scanStore.readTree(digest) ?? '[]');
  return [...diffTrees(read, before, after)];
}

function describeChanges(found: readonly TreeChange[]): string {
  const [first] = found;
  if (!first) return '';
  const more = found.length > 1 ? ` and ${found.length - 1} more` : '';
  return `: ${first.change} ${first.path}${more}`;
}

/** Does the machine lack something, such as room, open files, processes or memory? That says nothing of a layer. */
function isOfMachine(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  const isTyped = error instanceof WiacError && !(error instanceof ContextError);
  return isTyped || code === 'ENOMEM' || saysFull(error) || asLimitError(error) !== undefined;
}

function getProblem(
  record: LayerRecord,
  read: ReadLayer,
  path: string,
  scanStore: IndexScanStore,
): string | undefined {
  if (record.digest !== undefined) {
    if (record.digest === read.digest) return undefined;
    const found = record.tree === undefined ? [] : changes(scanStore, record.tree, read.tree);
    return `its files are not those of its digest${describeChanges(found)}`;
  }
  // A layer without a digest has only its size to be compared with. That of an
  // image's layer counts members of an archive, which may hold one file twice.
  if (record.key === undefined) return undefined;
  // An archive holds a file with several names once: so does the record of a layer that came from a
  // shared cache.
  const { bytes } = measureTree(path);
  return bytes === record.bytes || measureOnce(path) === record.bytes
    ? undefined
    : `its files have ${bytes} bytes, ${record.bytes} when it was made`;
}

/**
 * Digests a layer anew. One without a digest (no look-up needed it, and a build does not read again
 * what it has just written) gets it here, to be compared with from then on.
 */
export async function checkLayerContent(
  store: Store,
  record: LayerRecord,
  scanStore: IndexScanStore,
): Promise<LayerCheck> {
  const index = getTables(store);
  const { id } = record;
  const path = layerFiles(store, id);
  const damage = (problem: string): LayerCheck => {
    // Another process may have removed it while it was read: what is asked is the index of now.
    refresh(index);
    const repair = { action: 'drop-layer', layer: id } as const;
    const finding = { severity: 'damage', subject: 'layer', id, problem, repair } as const;
    const isThere = index.layers.doesExist(id);
    return { finding: isThere ? finding : undefined, recorded: false, read: undefined };
  };
  try {
    const opaque = await opaqueDirectories(path);
    const read = { ...(await digestLayer(path, opaque, scanStore)), opaque };
    const problem = getProblem(record, read, path, scanStore);
    if (problem !== undefined) return damage(problem);
    if (record.digest === undefined) {
      const { digest, tree } = read;
      updateLayer(index, id, { digest, tree, opaque }, scanStore.unwritten());
    }
    return { finding: undefined, recorded: record.digest === undefined, read };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined || isOfMachine(error)) throw error;
    return damage(`it can't be read: ${message}`);
  }
}

async function blobProblem(
  store: Store,
  blob: BlobRecord,
  layer: ReadLayer | undefined,
  scanStore: IndexScanStore,
  scratch: string,
): Promise<string | undefined> {
  const file = blobPath(store.paths, blob.digest);
  if (`sha256:${digestFile(file)}` !== blob.digest) return 'its content has another digest';
  if (!layer) return undefined;
  const target = join(scratch, 'unpacked');
  mkdirSync(target);
  try {
    const rootless = inUserNamespace();
    const unpacked = await unpackLayer(createReadStream(file), target, { rootless });
    if (unpacked.diffId !== blob.diffId)
      return `its diffID is ${unpacked.diffId}, not ${blob.diffId}`;
    const { tree } = await digestLayer(target, unpacked.opaque, scanStore);
    // An archive can't hold sockets.
    const found = changes(scanStore, layer.tree, tree).filter(
      (change) => !(change.change === 'removed' && change.before.type === 'socket'),
    );
    const sameOpaque = JSON.stringify(unpacked.opaque) === JSON.stringify(layer.opaque);
    if (found.length === 0 && sameOpaque) return undefined;
    return `its files are not those of its layer${describeChanges(found)}`;
  } finally {
    removeTree(target);
  }
}

/**
 * Compares a layer's blob with its digest and, unpacked, with the layer.
 * @param layer undefined when the layer is itself damaged
 * @param scratch directory on the file system of the store
 */
export async function checkBlob(
  store: Store,
  blob: BlobRecord,
  id: LayerId,
  layer: ReadLayer | undefined,
  scanStore: IndexScanStore,
  scratch: string,
): Promise<Finding | undefined> {
  const problem = await blobProblem(store, blob, layer, scanStore, scratch);
  if (problem === undefined) return undefined;
  return {
    severity: 'damage',
    subject: 'blob',
    id: blob.digest,
    problem: `${problem} (layer ${id})`,
    repair: { action: 'drop-blob', digest: blob.digest },
  };
}
