/** Files that are there as a whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';

/** Is it there, and no file: /dev/null, /dev/stdout, a named pipe? */
async function isDevice(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/**
 * Writes a file under another name next to it and renames it when it is complete; one that is
 * there is replaced. A failure leaves nothing. Devices and pipes are written to as they are.
 * @param fill writes the content and ends the stream, or throws
 */
export async function writeWhole(
  target: string,
  fill: (output: Writable) => Promise<void>,
): Promise<void> {
  // The current directory is another one for moments (src/fs/scan/listing.ts).
  const path = resolve(target);
  // Renamed over, /dev/null would be a file from then on, for everybody.
  const device = await isDevice(path);
  const temporary = device ? path : `${path}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`;
  // A stream that opens the file itself may do so after a failure, when it was removed already.
  const handle = await open(temporary, device ? 'w' : 'wx');
  const output = handle.createWriteStream();
  try {
    await fill(output);
    if (!device) await rename(temporary, path);
  } catch (error) {
    output.destroy();
    await handle.close().catch(() => undefined);
    if (!device) await rm(temporary, { force: true });
    throw error;
  }
}
