/** The last work on an unpacked layer, after the end of its archive. */
import { linkSync, lstatSync } from 'node:fs';
import type { ByteString } from '../../oci/tar/entry.js';
import { fromByteString } from '../../util/byte-string.js';
import { setDirectory } from '../write.js';
import type { Attributes } from './attributes.js';
import { queueAttributes, setDirectoryTime } from './attributes.js';
import type { DirectoryNode, LayerTree } from './directories.js';
import { childPath, entryAt, everyDirectory } from './directories.js';
import { runSystemCalls } from './syscalls.js';

/** Of directories that the archive has no entry for. A fixed time keeps the layer reproducible. */
const IMPLIED: Attributes = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: [],
};

const errorCode = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** Makes a whiteout; most need not be waited for. */
type WhiteoutMaker = (parent: DirectoryNode, name: ByteString) => Promise<void> | undefined;

/**
 * A function that makes whiteouts. All are links to one device node, as overlayfs itself makes
 * them: one link(2) each instead of a request for mknod.
 */
function whiteoutMaker(tree: LayerTree): WhiteoutMaker {
  const { root, walker, second } = tree;
  let source: { readonly parent: DirectoryNode; readonly name: ByteString } | undefined;
  const makeNode = async (parent: DirectoryNode, name: ByteString) => {
    if (lstatSync(entryAt(walker, parent, name), { throwIfNoEntry: false }) !== undefined) return;
    const device = { type: 'char', mode: 0, uid: 0, gid: 0, device: 0 } as const;
    await runSystemCalls(root, [{ call: 'mknod', path: childPath(parent, name), ...device }]);
    source = { parent, name };
  };
  return (parent, name) => {
    if (source === undefined) return makeNode(parent, name);
    try {
      const from = entryAt(second, source.parent, source.name);
      linkSync(from, entryAt(walker, parent, name));
      return undefined;
    } catch (error) {
      // The layer's own file hides what is below as well.
      if (errorCode(error) === 'EEXIST') return undefined;
      // ext4 allows 65,000 links to a file.
      if (errorCode(error) === 'EMLINK') return makeNode(parent, name);
      throw error;
    }
  };
}

/** What new directories keep of those that they cover, but for what the archive gives them itself. */
async function keepXattrs(
  { base, pending }: LayerTree,
  nodes: readonly DirectoryNode[],
): Promise<void> {
  const covering = nodes.filter(({ existed }) => !existed);
  const kept = await base?.readXattrs(covering.map(({ path }) => path));
  for (const { path, attributes } of covering) {
    const own = new Set(attributes?.xattrs.map(([name]) => name));
    for (const [name, value] of kept?.get(path) ?? [])
      if (!own.has(name)) pending.add({ call: 'setxattr', path, name, value });
  }
}

async function makeWhiteouts(node: DirectoryNode, make: WhiteoutMaker): Promise<void> {
  for (const name of node.whiteouts ?? []) {
    const own = node.children.get(name);
    // "Gone, and a new directory of that name": it must not show what the old one held.
    if (own !== undefined) own.opaque = true;
    else {
      const making = make(node, name);
      if (making) await making;
    }
  }
}

/**
 * Makes whiteouts and opaque marks (overlayfs documentation, "whiteouts and opaque directories"),
 * and gives directories their owners, permissions, xattrs and times.
 * @param rootless mark opaque directories in `user.`, which overlayfs reads with `userxattr`
 * @returns the opaque directories, relative to the layer, sorted
 * @throws ImageError, IsolationError
 */
export async function finishLayer(tree: LayerTree, rootless: boolean): Promise<string[]> {
  const { walker, top, pending } = tree;
  await pending.flush();
  const makeWhiteout = whiteoutMaker(tree);
  const nodes = [...everyDirectory(top)];
  for (const node of nodes) await makeWhiteouts(node, makeWhiteout);
  await keepXattrs(tree, nodes);
  const opaque: string[] = [];
  const namespace = rootless ? 'user' : 'trusted';
  for (const node of nodes) {
    const { path } = node;
    if (node.opaque) {
      opaque.push(fromByteString(path));
      const name = `${namespace}.overlay.opaque`;
      pending.add({ call: 'setxattr', path: path === '' ? '.' : path, name, value: 'y' });
    }
    // The layer's own directory keeps what its maker gave it, unless the archive says otherwise.
    const attributes = node.attributes ?? (node.existed ? undefined : IMPLIED);
    if (attributes === undefined) continue;
    const directory = walker.at(path);
    setDirectory(directory, attributes);
    setDirectoryTime(directory, attributes.mtime);
    queueAttributes(pending, path === '' ? '.' : path, attributes);
  }
  await pending.flush();
  return opaque.sort();
}
