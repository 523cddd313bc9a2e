/** Files that are there as a whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';

/**
 * Writes a file under another name next to it and renames it when it is complete; one that is
 * there is replaced. A failure leaves nothing.
 * @param fill writes the content and ends the stream, or throws
 */
export async function writeWhole(
  path: string,
  fill: (output: Writable) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`;
  // A stream that opens the file itself may do so after a failure, when it was removed already.
  const handle = await open(temporary, 'wx');
  const output = handle.createWriteStream();
  try {
    await fill(output);
    await rename(temporary, path);
  } catch (error) {
    output.destroy();
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}
