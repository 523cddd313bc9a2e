/** The merged trees of images as one tar archive. */
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { cannotWrite } from '../../oci/image-error.js';
import { writeWhole } from '../../oci/write-file.js';
import { writeStream } from '../../oci/write-stream.js';
import { WiacError } from '../../util/errors.js';
import type { PackedTree, PackTreeOptions } from './pack.js';
import { packTrees } from './pack.js';

/**
 * Writes merged views of layers.
 * @param output a file, which is there as a whole or not at all, or a stream that is left open
 * @throws ImageError when it can't be written, as packTrees
 */
export async function writeTarTree(
  trees: readonly PackedTree[],
  output: string | Writable,
  options: PackTreeOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const archive = packTrees(trees, options);
  const { signal } = options;
  try {
    if (typeof output === 'string')
      await writeWhole(output, (file) => pipeline(archive, file, { signal }));
    else await writeStream(archive, output, signal);
  } catch (cause) {
    if (cause instanceof WiacError) throw cause;
    throw cannotWrite(typeof output === 'string' ? output : 'the archive', cause);
  }
}
