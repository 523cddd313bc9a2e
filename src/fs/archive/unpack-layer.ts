/** Layer archives into layer directories (OCI image-spec, layer.md). */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { decompressed } from '../../oci/compress/decompress.js';
import { ImageError } from '../../oci/image-error.js';
import type { TarEntry } from '../../oci/tar/entry.js';
import type { ExpansionLimits } from '../../oci/tar/expansion-limit.js';
import { checkBytes } from '../../oci/tar/expansion-limit.js';
import type { TarParser } from '../../oci/tar/parser.js';
import { createTarParser } from '../../oci/tar/parser.js';
import { WiacError } from '../../util/errors.js';
import { strangersHint } from '../../util/free-range.js';
import { asNoSpaceError } from '../../util/no-space.js';
import type { LayerWriter } from './layer-writer.js';
import { createLayerWriter } from './layer-writer.js';

export interface UnpackLimits extends ExpansionLimits {
  /** Members of the archive. */
  readonly maxEntries: number;
}

export interface UnpackOptions {
  /** Without limits only the file system's size ends a hostile archive. */
  readonly limits?: UnpackLimits | undefined;
  /** In a user namespace: marks in `user.` xattrs. */
  readonly rootless: boolean;
  /** Write no devices. */
  readonly withoutDevices?: boolean;
}

export interface UnpackedLayer {
  /** `sha256:` and the hex digest of the archive without compression (image-spec, config.md). */
  readonly diffId: string;
  /** Members of the archive, whiteouts included. */
  readonly files: number;
  /** Bytes of all files' content. */
  readonly bytes: number;
  /** What du(1) says of the layer where a block has 4 KiB: to ask for each file costs more. */
  readonly disk: number;
  /** Opaque directories, relative to the layer, sorted. */
  readonly opaque: readonly string[];
  /** The archive gives no file extended attributes. */
  readonly withoutXattrs: boolean;
  /** Newest time of a file in it, seconds since the epoch; 0 when none has one. */
  readonly newest: number;
}

function translate(error: unknown): unknown {
  if (error instanceof WiacError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const syscall = (error as NodeJS.ErrnoException).syscall;
  if (syscall === undefined) return error;
  const message = `cannot unpack the layer: ${(error as Error).message}`;
  const full = asNoSpaceError(error, message);
  if (full) return full;
  return new ImageError(message, {
    cause: error,
    ...(code === 'EINVAL' && syscall.includes('chown')
      ? {
          hint: strangersHint(),
        }
      : {}),
  });
}

/** A block of the usual file systems; what ext4 keeps of a symlink's target in the inode itself. */
const DISK_BLOCK = 4096;
const INLINE_TARGET = 60;

/** Bytes of the blocks that an entry takes. */
function getDisk({ type, size, sparse, linkName }: TarEntry): number {
  if (type === 'dir') return DISK_BLOCK;
  if (type === 'symlink') return linkName.length < INLINE_TARGET ? 0 : DISK_BLOCK;
  const data = sparse?.segments?.reduce((sum, { length }) => sum + length, 0) ?? size;
  return Math.ceil(data / DISK_BLOCK) * DISK_BLOCK;
}

/** A parser that writes files, and the counts it keeps. */
function limitedParser(writer: LayerWriter, limits: UnpackLimits | undefined) {
  const counts = { files: 0, bytes: 0, disk: DISK_BLOCK, withoutXattrs: true, newest: 0 };
  const parser: TarParser = createTarParser((entry) => {
    counts.files += 1;
    counts.disk += getDisk(entry);
    counts.bytes += entry.sparse?.realSize ?? entry.size;
    // In a user namespace a device is a file with an attribute: see device-marks.ts.
    const isDevice = entry.type === 'char' || entry.type === 'block';
    if (entry.xattrs.length > 0 || isDevice) counts.withoutXattrs = false;
    counts.newest = Math.max(counts.newest, entry.mtime.seconds);
    if (limits !== undefined && counts.files > limits.maxEntries) {
      throw new ImageError(`the layer holds more than ${limits.maxEntries} files`);
    }
    if (limits !== undefined) checkBytes(counts.bytes, limits);
    return writer.put(entry);
  });
  return { parser, counts };
}

/**
 * Unpacks a layer in overlayfs form: whiteouts are character devices 0/0, opaque directories have
 * an xattr. Memory does not depend on the layer's size, except for its directories.
 * @param source the archive, compressed with gzip or zstd, or plain
 * @param directory empty; after an error it holds a part of the layer
 * @throws ImageError for archives that are damaged, hostile or over the limits; NoSpaceError;
 *   IsolationError when zstd is missing; the source's own errors as they are
 */
export async function unpackLayer(
  source: Readable,
  directory: string,
  { limits, rootless, withoutDevices }: UnpackOptions,
): Promise<UnpackedLayer> {
  const hash = createHash('sha256');
  const writer = createLayerWriter(directory, {
    rootless,
    names: 'layer',
    devices: withoutDevices ? 'leave out' : 'make',
  });
  const { parser, counts } = limitedParser(writer, limits);
  const written = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw translate(error);
    }
  };
  try {
    for await (const chunk of decompressed(source, limits)) {
      hash.update(chunk);
      written(() => parser.write(chunk));
    }
    written(() => parser.end());
    const opaque = await writer.finish().catch((error: unknown) => {
      throw translate(error);
    });
    return { diffId: `sha256:${hash.digest('hex')}`, ...counts, opaque };
  } finally {
    // After an error of the source, too.
    writer.abandon();
  }
}
