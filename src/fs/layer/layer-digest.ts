/** The digest of a published layer: all that a step can see of it. */
import { statSync } from 'node:fs';
import type { LayerDigest, TreeDigest } from '../../keys/digest.js';
import { canonicalJson, sha256 } from '../../util/canonical-json.js';
import { IsolationError } from '../../util/errors.js';
import { isOutside } from '../../util/user-namespace.js';
import { listNames } from '../directory.js';
import type { FileSource } from '../scan/file-source.js';
import { linkGroups } from '../scan/hard-links.js';
import { listTree } from '../scan/listing.js';
import type { ScanStore } from '../scan/scan.js';
import { digestTrees } from '../scan/scan.js';
import { readLayerMarks } from '../scan/tree-xattrs.js';
import { openWalker } from '../walker.js';
import type { Composition } from './compose-tree.js';

/**
 * The files of a layer as they are, for its digest.
 * @param withoutXattrs no file has extended attributes, as is known already
 */
export function layerSource(root: string, withoutXattrs = false): FileSource {
  const walker = openWalker(root);
  return {
    title: root,
    ownership: 'keep',
    changes: false,
    withoutXattrs,
    fingerprintScope: undefined,
    // Nothing is selected by name here.
    locate: () => undefined,
    follow: (path) => ({ kind: 'found', path }),
    list: (path) => ({ names: listNames(walker.at(path)), rootOf: () => root }),
    plainRoot: () => root,
    close: walker.close,
  };
}

/** Opaque directories of a layer, relative to it. @throws IsolationError */
export async function opaqueDirectories(layer: string): Promise<readonly string[]> {
  return (await readLayerMarks(layer)).opaque;
}

/**
 * The digest of a layer from the tree of its files.
 * @param layer its directory, whose own mode and owner count
 */
export function layerDigest(
  layer: string,
  { tree, links }: Composition,
  opaque: readonly string[],
): LayerDigest {
  const { mode, uid, gid } = statSync(layer);
  const root = { mode: mode & 0o7777, uid, gid };
  // Links are left out when there are none, as they were before they counted.
  return sha256(canonicalJson({ tree, opaque, root, links })) as LayerDigest;
}

/**
 * Digests a layer's files, whiteouts and opaque directories; times do not count.
 * @throws IsolationError where the owners of its files can't be told: the digest would be that of another layer
 */
export async function digestLayer(
  layer: string,
  opaque: readonly string[],
  store: ScanStore,
  withoutXattrs = false,
): Promise<{ digest: LayerDigest; tree: TreeDigest }> {
  if (isOutside())
    throw new IsolationError('layers can be read as root alone, or in a user namespace', {
      hint: 'the commands of wiac make one where they need it; a program that uses wiac as a library has to be in one',
    });
  const source = layerSource(layer, withoutXattrs);
  try {
    const files = await listTree(source, '');
    const [tree] = await digestTrees(source, store, [files], Date.now());
    if (tree === undefined) throw new Error(`no tree of ${layer}`);
    return { digest: layerDigest(layer, { tree, links: linkGroups(files) }, opaque), tree };
  } finally {
    source.close();
  }
}
