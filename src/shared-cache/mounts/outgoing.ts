/** Cache mounts on their way into a shared cache, and what it has of them. */
import type { Readable } from 'node:stream';
import type { Descriptor, Digest } from '../../oci/resolved-image.js';
import type { ReadCache } from '../read-cache.js';
import type { OutgoingLayer } from '../write-cache.js';
import type { ListedMount, Pack } from './snapshot.js';
import { MOUNT_FILES, PACK_TYPES } from './snapshot.js';

/** What a shared cache that is to be written has of cache mounts. */
export interface MountPlace {
  /** For messages. */
  readonly title: string;
  /** What is there now, which is trusted as the writer's own; undefined: nothing. */
  readonly cache: ReadCache | undefined;
  /** Opens a blob, verified while it is read. @throws ImageError */
  readonly openBlob: (descriptor: Descriptor) => Promise<Readable>;
  readonly hasBlob: (blob: Pick<Descriptor, 'digest' | 'size'>) => Promise<boolean>;
  readonly close: () => Promise<void>;
}

/** What becomes of the cache mounts of a list that is to be written. */
export interface OutgoingMounts {
  /** Snapshots that say something new. */
  readonly taken: readonly ListedMount[];
  /** What the place has, and is to keep, unless another job has written it anew by now. */
  readonly kept: readonly ListedMount[];
  /** Lists of files of snapshots that the place is to keep no longer. */
  readonly dropped: ReadonlySet<Digest>;
  /** Blobs that the place lacks, packs before the lists that name them. */
  readonly blobs: readonly OutgoingLayer[];
}

/** The blob of a pack. */
export function packDescriptor({ digest, size, compression }: Pack): Descriptor {
  return { mediaType: PACK_TYPES[compression], digest, size };
}

/** The blob of a list of files. */
export function filesDescriptor({ digest, size }: ListedMount['files']): Descriptor {
  return { mediaType: MOUNT_FILES, digest, size };
}

/** All blobs that mounts consist of: a registry keeps what its manifest names. */
export function mountBlobs(mounts: readonly ListedMount[]): Descriptor[] {
  return mounts.flatMap(({ files, packs }) => [
    ...packs.map(packDescriptor),
    filesDescriptor(files),
  ]);
}
