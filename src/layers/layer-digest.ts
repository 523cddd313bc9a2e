/** The digest of a published layer: all that a step can see of it. */
import { lstatSync, realpathSync } from 'node:fs';
import { relative } from 'node:path';
import { listTree } from '../context/listing.js';
import type { ScanStore } from '../context/scan.js';
import { digestTrees } from '../context/scan.js';
import type { FileSource } from '../context/source.js';
import { plainListing } from '../context/source.js';
import type { LayerMarks } from '../context/xattrs.js';
import { readLayerMarks } from '../context/xattrs.js';
import type { LayerDigest, TreeDigest } from '../keys/digest.js';
import { canonicalJson, sha256 } from '../keys/digest.js';

/** A directory of this machine as it is. */
export function plainSource(root: string): FileSource {
  const host = (path: string) => (path === '' ? root : `${root}/${path}`);
  return {
    title: root,
    ownership: 'keep',
    fingerprintScope: undefined,
    locate: host,
    follow: (path) => ({ kind: 'found', path }),
    list: (path) => plainListing(host(path)),
  };
}

/**
 * What the extended attributes of a layer's files say; opaque directories relative to it, sorted.
 * @throws IsolationError when getfattr is not installed
 */
export async function layerMarks(layer: string): Promise<LayerMarks> {
  // A lowerdir string names links to layers, and getfattr follows none.
  const root = realpathSync(layer);
  const { opaque, withoutXattrs } = await readLayerMarks(root);
  return { opaque: opaque.map((path) => relative(root, path)).sort(), withoutXattrs };
}

/** Opaque directories of a layer, relative to it. @throws IsolationError */
export async function opaqueDirectories(layer: string): Promise<readonly string[]> {
  return (await layerMarks(layer)).opaque;
}

/** Digests a layer's files, whiteouts and opaque directories; times do not count. */
export async function digestLayer(
  layer: string,
  opaque: readonly string[],
  store: ScanStore,
): Promise<{ digest: LayerDigest; tree: TreeDigest }> {
  const source = plainSource(layer);
  const [tree] = await digestTrees(source, store, [listTree(source, '')], Date.now());
  const { mode, uid, gid } = lstatSync(layer);
  const root = { mode: mode & 0o7777, uid, gid };
  const text = canonicalJson({ tree: tree ?? null, opaque, root });
  return { digest: sha256(text) as LayerDigest, tree: tree as TreeDigest };
}
