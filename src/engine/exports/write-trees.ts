/** Merged trees of results, into directories and archives (type=local, type=tar). */
import type { Writable } from 'node:stream';
import type { PackedTree } from '../../fs/archive/pack.js';
import { cannotWrite, ImageError } from '../../oci/image-error.js';
import { layerStack } from '../../store/layers/layer-stack.js';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { counting } from '../../util/byte-counter.js';
import { NoSpaceError, UsageError } from '../../util/errors.js';
import { inUserNamespace } from '../../util/user-namespace.js';
import type { Gauge } from '../transfers.js';
import { getCounter } from '../transfers.js';
import type { Output } from './output-spec.js';
import { STDOUT } from './output-spec.js';

/** The layers whose files are written, for each platform. */
export interface TreesRequest {
  readonly store: Store;
  readonly items: readonly { readonly image: Pick<ImageRecord, 'layers' | 'platform'> }[];
  /** SOURCE_DATE_EPOCH, seconds since the epoch. */
  readonly epoch: number | undefined;
  /** What an archive without a destination is written to. */
  readonly stdout: Writable | undefined;
  /** Ends the work early; its reason is not what is thrown then. */
  readonly signal: AbortSignal;
  /** Counts what is written; left out where nobody is told. */
  readonly gauge?: Gauge;
}

export function standardOutput({ stdout }: Pick<TreesRequest, 'stdout'>): Writable {
  if (stdout) return stdout;
  throw new UsageError('there is no standard output for an archive', {
    hint: 'give it a dest=FILE',
  });
}

/**
 * Notices files that several platforms have at one place, where all of them go to one directory; as
 * with BuildKit none of them wins. @throws ImageError
 */
function refuseSameFiles(): (name: string, isDirectory: boolean) => void {
  const directories = new Map<string, boolean>();
  return (name, isDirectory) => {
    const path = name.replace(/\/$/, '');
    const known = directories.get(path);
    directories.set(path, isDirectory);
    if (known === undefined || (known && isDirectory)) return;
    throw new ImageError(`several platforms have a file /${Buffer.from(path, 'latin1')}`, {
      hint: 'leave platform-split=false out: each platform gets a directory of its own',
    });
  };
}

/** Writes one output. @throws ImageError */
export async function writeTrees(
  request: TreesRequest,
  output: Output & { type: 'local' | 'tar' },
): Promise<void> {
  const { store, items, epoch, signal } = request;
  const { type, dest, split = items.length > 1 } = output;
  const trees: PackedTree[] = [];
  for (const { image } of items) {
    const directory = split ? image.platform.replaceAll('/', '_') : '';
    trees.push({ directory, layers: await layerStack(store, image.layers) });
  }
  const onEntry = !split && items.length > 1 ? refuseSameFiles() : undefined;
  const counter = getCounter(request, 'export', dest === STDOUT ? 'standard output' : dest);
  if (type === 'tar') {
    const { writeTarTree } = await import('../../fs/archive/tar-tree.js');
    const target = dest === STDOUT ? standardOutput(request) : dest;
    return counting(counter, undefined, (onBytes) =>
      writeTarTree(trees, target, { time: epoch, onEntry, onBytes, signal }),
    );
  }
  const { writeLocalTree } = await import('../../fs/archive/local-tree.js');
  const rootless = inUserNamespace();
  // As buildx does: the files belong to the user who builds.
  const owner = { uid: 0, gid: 0, isSame: !rootless };
  for (const { layers, directory } of trees) {
    const target = directory === '' ? dest : `${dest}/${directory}`;
    const write = (onBytes: (bytes: number) => void) =>
      writeLocalTree(layers, target, { time: epoch, owner, onEntry, onBytes, rootless, signal });
    await counting(counter, undefined, write).catch((error) => {
      // Its words are of the store; here the place of the output is full.
      throw error instanceof NoSpaceError ? cannotWrite(target, error.cause) : error;
    });
  }
}
