/** The layer directory that `wiac copy` and `wiac run` write to. */

import { messageOf } from '../oci/image-error.js';
import { UsageError } from '../util/errors.js';
import { makeDirectories } from '../util/make-directories.js';

/** Makes it unless it is there. @throws UsageError when it can't be made */
export function makeLayerDirectory(path: string): void {
  try {
    makeDirectories(path);
  } catch (cause) {
    throw new UsageError(`the layer directory ${path} can't be made: ${messageOf(cause)}`, {
      cause,
      hint: 'name one that you may write to',
    });
  }
}
