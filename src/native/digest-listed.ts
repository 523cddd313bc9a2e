/** SHA-256 of many files, by wiac-sys: its threads read and digest several at once. */
import { ASK } from './frames.js';
import type { NamedFiles } from './named-files.js';
import { requestListed } from './named-files.js';
import { payloadReader } from './payload.js';

export const DIGEST_BYTES = 32;

/**
 * @param root trusted path
 * @param onFile gets the number of each file, in the order of `files`, how many bytes were read, and
 *   their digest in hex; it hears nothing of what is no regular file any more, or can't be read
 * @throws the file system's errors, IsolationError
 */
export async function digestListed(
  root: string,
  files: readonly NamedFiles[],
  onFile: (index: number, size: number, digest: string) => void,
): Promise<void> {
  await requestListed(ASK.digests, root, files, (first) => (records) => {
    const reader = payloadReader(records);
    while (!reader.isEmpty())
      onFile(first + reader.number(), reader.large(), reader.hex(DIGEST_BYTES));
  });
}
