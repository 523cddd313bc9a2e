/** What the index holds; cache-format.md, "Index", is the specification. */

import type {
  ContentKey,
  DefinitionKey,
  LayerDigest,
  OperationDigest,
  TreeDigest,
} from '../keys/digest.js';
import type { StepInputs } from '../keys/inputs.js';
import type { ContainerConfig, HistoryEntry } from '../oci/image-config.js';
import type { Json } from '../util/canonical-json.js';
import type { ProcessId } from './pins/live-process.js';

/** Name of a layer directory: 16 random base32 digits. It says nothing about the content. */
export type LayerId = string & { readonly __brand: 'LayerId' };

/** A step that was carried out, under its definition key. Times in ms since the epoch. */
export interface StepRecord {
  readonly key: DefinitionKey;
  /** Known once a look-up computed it; see keys/inputs.ts. */
  readonly contentKey: ContentKey | undefined;
  readonly operation: OperationDigest;
  /** Everything that went into the key, by name. */
  readonly inputs: StepInputs;
  /** The layers it was built on, bottom first. */
  readonly base: readonly LayerId[];
  /** For each step it read files from: the layers of that, bottom first. */
  readonly readLayers: readonly (readonly LayerId[])[];
  /** The part of the layers below that it read, if not all of them (COPY, WORKDIR). */
  readonly reads: Json | undefined;
  /** Undefined when the step left no layer (WORKDIR of a directory that is there). */
  readonly layer: LayerId | undefined;
  readonly created: number;
  readonly durationMs: number;
  /** Made by another machine: the trees of the files it was made from may not be here. */
  readonly imported?: true;
}

/** Kept apart from the step's record, because it changes with every build. */
export interface UsageRecord {
  readonly lastUsed: number;
  readonly hits: number;
}

/** A compressed layer (OCI image-spec, descriptor.md); digests begin with `sha256:`. */
export interface BlobRecord {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** Digest of the archive without compression. */
  readonly diffId: string;
  readonly compression: 'none' | 'gzip' | 'zstd';
  /** Newest time of a file in it, seconds since the epoch; undefined for one of an older wiac. */
  readonly newest?: number;
}

/** Which inodes a layer may share with others. */
export interface LayerLinks {
  /** The first layer of the group: layers that share an inode are all in one group. */
  readonly group: LayerId;
  /** Disk usage of the files that were links when the layer was published. Bytes. */
  readonly disk: number;
}

/** What an image's config says of a layer. */
export interface ArchiveRecord {
  /** Digest of the archive without compression, `sha256:...`. */
  readonly diffId: string;
  /** Newest time of a file in it, seconds since the epoch. */
  readonly newest: number;
}

/** A published layer. */
export interface LayerRecord {
  readonly id: LayerId;
  /** The step that made it; undefined for a layer of a base image. */
  readonly key: DefinitionKey | undefined;
  readonly created: number;
  /** Apparent size of its files in bytes, each hard-linked file counted in full. */
  readonly bytes: number;
  /** What du(1) says of the layer alone, in bytes: blocks, each inode once. */
  readonly disk: number;
  /** Set when files of it are hard links into the layers of a group. */
  readonly links?: LayerLinks | undefined;
  readonly files: number;
  /** Opaque directories, relative paths. */
  readonly opaque: readonly string[] | undefined;
  /** No file has extended attributes of its own; undefined while that is unknown. */
  readonly withoutXattrs?: boolean | undefined;
  /** Digest over all of its entries, computed when it is first needed. */
  readonly digest: LayerDigest | undefined;
  /** What its archive is without compression, once an image's id was asked for. */
  readonly archive?: ArchiveRecord;
  /** Its compressed form, once it was needed or came with the layer. */
  readonly blob?: BlobRecord;
  /** Further forms that were asked for, by their compression: see blobs/blobs.ts. */
  readonly variants?: Readonly<Record<string, BlobRecord>>;
  /** Absolute path of its files, when another program keeps them; see adopt-layer.ts. */
  readonly external?: string;
  /** The root of its files as a tree, when they were digested. */
  readonly tree: TreeDigest | undefined;
}

/** Every blob of a layer. */
export function getBlobs({ blob, variants = {} }: LayerRecord): BlobRecord[] {
  return [...(blob ? [blob] : []), ...Object.values(variants)];
}

/** A layer's record without one of its blobs. */
export function withoutBlob(record: LayerRecord, digest: string): LayerRecord {
  const { blob, variants, ...rest } = record;
  const { archive = blob && { diffId: blob.diffId, newest: blob.newest ?? 0 } } = record;
  const kept = Object.entries(variants ?? {}).filter(([, { digest: other }]) => other !== digest);
  return {
    ...rest,
    // The ids of images stay what they are.
    ...(archive === undefined ? {} : { archive }),
    ...(blob === undefined || blob.digest === digest ? {} : { blob }),
    ...(kept.length === 0 ? {} : { variants: Object.fromEntries(kept) }),
  };
}

/**
 * A layer that is known and not here: a shared cache or an image has it. It takes its place in
 * `layers` when something needs its files.
 */
export interface RemoteLayerRecord {
  readonly id: LayerId;
  /** Digest of the archive without compression, `sha256:...`: what it is fetched and checked by. */
  readonly diffId: string;
  /** As in LayerRecord, when the maker of the layer gave it. */
  readonly digest: LayerDigest | undefined;
  /** As in LayerRecord. */
  readonly key: DefinitionKey | undefined;
}

/** Entries inside of an image's config; cache-format.md, "In an image". */
export interface InlineCache {
  /** The list's bytes in base64: what is signed must not change with how JSON is written. */
  readonly entries: string;
  /** Base64. */
  readonly signature?: string;
}

/** An image as it came: pushed on as it is, it keeps its digests. Bytes that these are made of. */
export interface OriginalImage {
  /** Of the manifest; empty where images have none: in archives of docker, in podman's storage. */
  readonly mediaType: string;
  readonly manifest: Uint8Array;
  /** Its digest is the id of the image for everybody. */
  readonly config: Uint8Array;
}

/** A manifest with its config, and the indexes that it was found through. */
export interface KeptManifest extends OriginalImage {
  /** Digests, the newest last; each was seen to lead to the manifest. */
  readonly indexes?: readonly string[];
}

/** Times that an image and the files in layers of its build get when it is written. */
export interface ImageTimes {
  /** Since 1970. */
  readonly seconds: number;
  /** Every file gets it; else those that are newer. */
  readonly everyFile: boolean;
}

/** The record of an image that came without a manifest. */
export function configAlone(config: Uint8Array): OriginalImage {
  return { mediaType: '', manifest: new Uint8Array(), config };
}

/** A build result that was given a name (-t) or asked for by id. */
export interface ImageRecord {
  /**
   * `sha256:` and 64 hex digits over all that follows: the key of the record, for the store
   * only. The id that users see is the digest of the config; see image-ids.ts.
   */
  readonly id: string;
  readonly created: number;
  /** Bottom first. */
  readonly layers: readonly LayerId[];
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  /** Digest of the manifest of an image that was pulled: what FROM has in its key. */
  readonly manifest: string | undefined;
  /** Digest of the index that it was pulled by, when it is one of several. */
  readonly index?: string;
  /** SOURCE_DATE_EPOCH of the build: when it was made, seconds since 1970. */
  readonly epoch?: number;
  readonly config: ContainerConfig;
  readonly history: readonly HistoryEntry[];
  /** MAINTAINER, or that of the base image. */
  readonly author?: string;
  /** --timestamp, --rewrite-timestamp: wherever it is written. */
  readonly times?: ImageTimes;
  /** Its entries for other machines (--cache-to type=inline). */
  readonly cache?: InlineCache;
  /** Of an image that came from elsewhere. */
  readonly original?: OriginalImage;
}

/** A signature of an image as it was found, and checked. */
export interface KeptSignature {
  /** What was signed. */
  readonly payload: Uint8Array;
  /** Digest of the index that was signed, and that lists the manifest that this is kept for. */
  readonly index?: string;
  /** Base64. */
  readonly signature: string;
}

/** The headers of a server when it last sent a file. */
export interface DownloadRecord {
  /** `sha256:` and hex digits of the content. */
  readonly digest: string;
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

/** Layers and mounts that stay while a process lives; see uses.ts. */
export interface UseRecord {
  /** Void when that process is dead: see live-process.ts. */
  readonly process: ProcessId;
  readonly layers: readonly LayerId[];
  /** Names of directories in mounts/. */
  readonly mounts: readonly string[];
  /** Nothing at all may go, because this process lost a race for its layers before. */
  readonly everything: boolean;
}

/** A cache mount (RUN --mount=type=cache); times in ms since the epoch. */
export interface MountRecord {
  /** The mount's id as the Dockerfile has it: its target, when it names none. */
  readonly id: string;
  readonly lastUsed: number;
}
