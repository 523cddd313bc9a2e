/** Makes one layer of several, which shows above the layers below them what the several show. */
import { fstatSync } from 'node:fs';
import { posix } from 'node:path';
import { toByteString } from '../../util/byte-string.js';
import { asStream, packTree } from '../archive/pack.js';
import { createPending } from '../archive/pending.js';
import type { UnpackedLayer } from '../archive/unpack-layer.js';
import { unpackLayer } from '../archive/unpack-layer.js';
import { listKinds, lstatEntry } from '../directory.js';
import { lstatBelow } from '../read.js';
import { parentPath } from '../tree-path.js';
import { openWalker, withWalkers } from '../walker.js';
import type { Stack } from './stack.js';
import { isWhiteout, locate } from './stack.js';

/** What layers say of those below them. */
interface Marks {
  /** Directories of any of the layers, parents first. */
  readonly directories: ReadonlySet<string>;
  readonly whiteouts: ReadonlySet<string>;
}

/** Looks into every directory of every layer. */
function readMarks(stack: Stack): Marks {
  const directories = new Set<string>();
  const whiteouts = new Set<string>();
  withWalkers((walkers) => {
    for (const { path: root } of stack) {
      const waiting = [''];
      // Directories are found while the list grows.
      for (const path of waiting) {
        directories.add(path);
        for (const { name, isDevice, isDirectory } of listKinds(walkers.at(root, path))) {
          const below = posix.join(path, name);
          if (isDirectory) waiting.push(below);
          const stats = isDevice ? lstatEntry(walkers.at(root, path), name) : undefined;
          if (stats && isWhiteout(stats)) whiteouts.add(below);
        }
      }
    }
  });
  return { directories, whiteouts };
}

const isDirectory = (stack: Stack, path: string) =>
  locate(stack, path)?.stats.isDirectory() === true;

/** Do the layers hide what those below them have in this directory? */
function isCut(stack: Stack, path: string): boolean {
  for (const { path: root, opaque } of stack) {
    const stats = lstatBelow(root, path);
    if (stats && (!stats.isDirectory() || opaque.has(path))) return true;
  }
  return false;
}

/** Directories and files of the lower layers that these layers remove or hide. */
function hiddenBelow(stack: Stack, below: Stack): { opaque: string[]; removed: string[] } {
  if (below.length === 0) return { opaque: [], removed: [] };
  const { directories, whiteouts } = readMarks(stack);
  const opaque = new Set<string>();
  const isCovered = (path: string): boolean =>
    path !== '' && (opaque.has(parentPath(path)) || isCovered(parentPath(path)));
  const byDepth = [...directories].sort((a, b) => a.split('/').length - b.split('/').length);
  for (const path of byDepth) {
    if (path === '' || isCovered(path)) continue;
    if (isDirectory(stack, path) && isDirectory(below, path) && isCut(stack, path))
      opaque.add(path);
  }
  const removed = [...whiteouts].filter(
    (path) =>
      !locate(stack, path) &&
      isDirectory(stack, parentPath(path)) &&
      !isCovered(path) &&
      locate(below, path) !== undefined,
  );
  return { opaque: [...opaque].sort(), removed: removed.sort() };
}

/** Nanoseconds of a second. */
const GIGA = 1_000_000_000n;

async function markHidden(
  directory: string,
  { opaque, removed }: ReturnType<typeof hiddenBelow>,
  rootless: boolean,
): Promise<void> {
  const pending = createPending(directory);
  const name = rootless ? 'user.overlay.opaque' : 'trusted.overlay.opaque';
  for (const path of opaque)
    pending.add({ call: 'setxattr', path: toByteString(path), name, value: 'y' });
  const walker = openWalker(directory);
  try {
    // To make an entry changes the time of its directory: it gets its own back.
    const parents = new Set(removed.map(parentPath));
    const times = [...parents].map((path) => {
      const { mtimeNs } = fstatSync(walker.at(path).fd, { bigint: true });
      // Before 1970 the seconds count down, the nanoseconds up.
      const nanoseconds = ((mtimeNs % GIGA) + GIGA) % GIGA;
      const seconds = Number((mtimeNs - nanoseconds) / GIGA);
      const time = { seconds, nanoseconds: Number(nanoseconds) };
      return { call: 'utime', path: toByteString(path) || '.', time } as const;
    });
    const device = { call: 'mknod', type: 'char', mode: 0, uid: 0, gid: 0, device: 0 } as const;
    for (const path of removed) pending.add({ ...device, path: toByteString(path) });
    for (const call of times) pending.add(call);
  } finally {
    walker.close();
  }
  await pending.flush();
}

/**
 * Squashes layers into an empty directory.
 * @param stack the layers, topmost first
 * @param below those that stay below them
 * @param rootless in a user namespace
 */
export async function squashLayers(
  stack: Stack,
  below: Stack,
  directory: string,
  rootless: boolean,
): Promise<Pick<UnpackedLayer, 'opaque' | 'withoutXattrs'>> {
  const hidden = hiddenBelow(stack, below);
  const archive = asStream(packTree(stack, {}));
  const unpacked = await unpackLayer(archive, directory, { rootless });
  await markHidden(directory, hidden, rootless);
  return { opaque: hidden.opaque, withoutXattrs: unpacked.withoutXattrs };
}
