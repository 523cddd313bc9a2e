/** Archives that ADD unpacks over the files of an image (Dockerfile reference, ADD). */
import type { Readable } from 'node:stream';
import { decompressed } from '../../oci/compress/decompress.js';
import { ImageError } from '../../oci/image-error.js';
import { BLOCK } from '../../oci/tar/entry.js';
import type { ExpansionLimits } from '../../oci/tar/expansion-limit.js';
import { checksum, numberField } from '../../oci/tar/fields.js';
import { createTarParser } from '../../oci/tar/parser.js';
import type { NewFileOwner } from './attributes.js';
import type { BaseLayers } from './directories.js';
import type { LayerWriterOptions } from './layer-writer.js';
import { createLayerWriter } from './layer-writer.js';

/** Source and destination of an unpacking. */
export interface ArchiveOptions {
  /** In a user namespace. */
  readonly rootless: boolean;
  /** Everything gets this owner; undefined keeps what the archive says. */
  readonly owner: NewFileOwner | undefined;
  readonly limits: ExpansionLimits;
  /** What the layers below have in the destination; undefined: there are none. */
  readonly base: BaseLayers | undefined;
  readonly devices?: LayerWriterOptions['devices'];
}

/**
 * Is it a tar archive, compressed or not? A compressed file of something else is none: its first
 * block has to be a header with the right checksum (POSIX.1-2017 pax, ustar header block).
 * @param source read from the beginning, only as far as need be, and destroyed
 * @throws IsolationError when the program that decompresses it is not installed
 */
export async function isArchive(source: Readable): Promise<boolean> {
  let head = Buffer.alloc(0);
  try {
    // The first block is all that is read.
    for await (const chunk of decompressed(source, undefined, true)) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= BLOCK) break;
    }
  } catch (error) {
    if (error instanceof ImageError) return false;
    throw error;
  } finally {
    source.destroy();
  }
  if (head.length < BLOCK) return false;
  const block = head.subarray(0, BLOCK);
  return block.some((byte) => byte !== 0) && hasChecksum(block);
}

function hasChecksum(block: Buffer): boolean {
  try {
    return numberField(block, 148, 8) === checksum(block);
  } catch {
    return false;
  }
}

/**
 * Unpacks an archive into a directory, over what is there: directories are merged, everything else
 * is replaced. Names go through symbolic links as a process would whose root is that directory.
 * @param directory trusted path; nothing is written outside of it
 * @throws ImageError when the archive is damaged, leads out or is over the limits, the file system's errors,
 *   IsolationError
 */
export async function unpackArchive(
  source: Readable,
  directory: string,
  options: ArchiveOptions,
): Promise<void> {
  const writer = createLayerWriter(directory, { ...options, names: 'archive' });
  try {
    const parser = createTarParser((entry) => writer.put(entry));
    for await (const chunk of decompressed(source, options.limits)) parser.write(chunk);
    parser.end();
    await writer.finish();
  } finally {
    writer.abandon();
  }
}
