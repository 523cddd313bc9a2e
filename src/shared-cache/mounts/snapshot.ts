/**
 * What a shared cache holds of a cache mount: a list of its files, and packs with their content;
 * cache-format.md, "Cache mounts", is the specification. A pack is contents one after the other,
 * compressed. It never changes: the next snapshot points into packs that are there already, and
 * brings one for what is new.
 */
import type { Digest } from '../../oci/resolved-image.js';
import type { TarTime } from '../../oci/tar/entry.js';
import type { ByteString } from '../../util/byte-string.js';

/** Media type of the list of files: JSON, gzip. */
export const MOUNT_FILES = 'application/vnd.wiac.cache.mount.v1+json+gzip';
/** Media type of packs, with what they are compressed by. */
export const PACK_TYPES = {
  none: 'application/vnd.wiac.cache.pack.v1',
  gzip: 'application/vnd.wiac.cache.pack.v1+gzip',
  zstd: 'application/vnd.wiac.cache.pack.v1+zstd',
} as const;

/** Version of the list of files; a reader ignores others. */
export const SNAPSHOT_VERSION = 1;

/** Bytes of contents after which a pack is full. A larger file has a pack of its own. */
export const PACK_BYTES = 16 << 20;

/** A blob with contents. */
export interface Pack {
  readonly digest: Digest;
  /** Bytes of the blob. */
  readonly size: number;
  readonly compression: keyof typeof PACK_TYPES;
  /** Bytes of the contents, without compression. */
  readonly bytes: number;
}

/** Where a content is: its first byte in a pack, and how many there are. */
export interface ContentPlace {
  /** Place in the list of packs. */
  readonly pack: number;
  readonly offset: number;
  readonly size: number;
}

interface Attributes {
  /** 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: TarTime;
}

export interface SnapshotDirectory extends Attributes {
  readonly type: 'directory';
  /** Relative to the mount; its own directory is not in the list. */
  readonly path: ByteString;
}

export interface SnapshotFile extends Attributes {
  readonly type: 'file';
  readonly path: ByteString;
  /** When it was last read or written: days since the epoch. */
  readonly used: number;
  /** SHA-256 of the content, in hex. */
  readonly digest: string;
  readonly place: ContentPlace;
}

export interface SnapshotSymlink extends Omit<Attributes, 'mode'> {
  readonly type: 'symlink';
  readonly path: ByteString;
  readonly target: ByteString;
}

/** One more name of a file. */
export interface SnapshotLink {
  readonly type: 'link';
  readonly path: ByteString;
  /** Path of a `file`. */
  readonly target: ByteString;
}

export type SnapshotEntry = SnapshotDirectory | SnapshotFile | SnapshotSymlink | SnapshotLink;

/** A mount at one moment. */
export interface Snapshot {
  readonly packs: readonly Pack[];
  /** Parents before what is in them. */
  readonly entries: readonly SnapshotEntry[];
}

/** A cache mount in the list of a shared cache. The list is what is signed: it names all blobs. */
export interface ListedMount {
  /** Name of its directory in mounts/: a digest of what makes it this mount and no other. */
  readonly name: string;
  /** Its id in the Dockerfile. */
  readonly id: string;
  /** Of its own directory, which is not in the list. */
  readonly root: Omit<Attributes, 'mtime'>;
  /** The list of files. */
  readonly files: { readonly digest: Digest; readonly size: number };
  readonly packs: readonly Pack[];
  /** Files, without directories. */
  readonly count: number;
  /** Bytes of their contents, each once. */
  readonly bytes: number;
  /** When the snapshot was taken: ms since the epoch. */
  readonly created: number;
}

/** Contents of a snapshot by their digest. */
export function contentPlaces({ entries }: Snapshot): Map<string, ContentPlace> {
  const places = new Map<string, ContentPlace>();
  for (const entry of entries) if (entry.type === 'file') places.set(entry.digest, entry.place);
  return places;
}

/** Number of files, and bytes of their contents, each once. */
export function measureSnapshot(snapshot: Snapshot): { count: number; bytes: number } {
  let bytes = 0;
  for (const { size } of contentPlaces(snapshot).values()) bytes += size;
  return { count: snapshot.entries.filter(({ type }) => type !== 'directory').length, bytes };
}
