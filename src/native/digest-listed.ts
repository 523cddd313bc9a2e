/** SHA-256 and extended attributes of many files, by wiac-sys: its threads read and digest several at once. */
import { ASK } from './frames.js';
import type { NamedFiles } from './named-files.js';
import { requestListed } from './named-files.js';
import { payloadReader } from './payload.js';
import type { RawXattrs } from './read-xattrs.js';
import { readPairs } from './read-xattrs.js';

export const DIGEST_BYTES = 32;

/**
 * @param root trusted path
 * @param onFile gets the number of each file, in the order of `files`, how many bytes were read, their
 *   digest, which is not kept, and its attributes; it hears nothing of what is no regular file any more,
 *   or can't be read
 * @throws the file system's errors, IsolationError
 */
export async function digestListed(
  root: string,
  files: readonly NamedFiles[],
  onFile: (index: number, size: number, digest: Buffer, xattrs: RawXattrs) => void,
): Promise<void> {
  await requestListed(ASK.digests, root, files, (first) => (records) => {
    const reader = payloadReader(records);
    while (!reader.isEmpty()) {
      const [index, size] = [first + reader.number(), reader.large()];
      onFile(index, size, reader.part(DIGEST_BYTES), readPairs(reader.bytes()));
    }
  });
}
