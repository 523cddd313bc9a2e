/**
 * The small interfaces that every source and sink of images implements. A registry, a layout and
 * an archive are peers: none knows another, and everything that is large is read only when asked
 * for. Field names are those of OCI image-spec 1.1 (descriptor.md, manifest.md, image-index.md,
 * config.md); Docker's schema 2 differs from it in media types only.
 */
import type { Readable } from 'node:stream';
import type { ContainerConfig } from './image-config.js';

/** `algorithm:hex`, checked: `sha256:` with 64 or `sha512:` with 128 lower-case hex digits. */
export type Digest = string & { readonly __brand: 'OciDigest' };

/** os/architecture[/variant] as in GOOS and GOARCH. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

/** What a blob is, and how to recognise it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Where foreign layers are kept. */
  readonly urls?: readonly string[];
  readonly artifactType?: string;
}

/** Manifest of one image. */
export interface ImageManifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  /** Lowest layer first. */
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Several images, one for each platform, and their attestations. */
export interface ImageIndex {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** One entry of an image's history, oldest first. */
export interface ImageHistoryEntry {
  /** RFC 3339. */
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** Image config: what the image is made of and how a container of it starts. */
export interface ImageConfig extends Platform {
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly config?: Partial<ContainerConfig>;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly ImageHistoryEntry[];
}

/** A layer as the source holds it. */
export interface ResolvedLayer {
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed tar archive. */
  readonly diffId: Digest;
  /** Newest time of a file in it, seconds since the epoch, where the source says. */
  readonly newest?: number | undefined;
  /**
   * Opens the blob, compressed as the media type says. Size and digest are verified while it is
   * read: the stream ends with an ImageError instead of its end when they are wrong, so nothing
   * that was read is to be trusted before the end.
   * @throws ImageError when the blob is not there
   */
  open(): Promise<Readable>;
}

/** One image for one platform. */
export interface ResolvedImage {
  /** What the reference names: the index if there is one, else the manifest. */
  readonly rootDescriptor: Descriptor;
  readonly manifestDescriptor: Descriptor;
  readonly manifest: ImageManifest;
  /** The bytes that `manifestDescriptor.digest` is the digest of. */
  readonly manifestBytes: Uint8Array;
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  /** Lowest layer first. */
  readonly layers: readonly ResolvedLayer[];
}

/** Where an image comes from; bound to one reference. */
export interface ImageSource {
  /** The reference, for messages. */
  readonly title: string;
  /**
   * Reads manifest and config of the image for a platform. Layers are not touched. An image that
   * is no index is returned whatever its platform is: its config tells.
   * @throws ImageError
   */
  resolve(platform: Platform): Promise<ResolvedImage>;
  /** Releases connections and temporary files. Streams that are still open may fail. */
  close(): Promise<void>;
}

/** Opens a blob from its beginning; called again for every new attempt. */
export type OpenBlob = () => Readable | Promise<Readable>;

/** Where an image goes; bound to one reference. */
export interface ImageSink {
  /** The reference, for messages. */
  readonly title: string;
  /** @param size if it is known: a layout has no use for a blob of another size, which is damaged */
  hasBlob(digest: Digest, size?: number): Promise<boolean>;
  /**
   * Stores a blob (a config or a layer); does nothing when it is there. Blobs may be put in
   * parallel.
   * @param options.replaces what is there is damaged; registries and archives keep what they have
   * @throws ImageError when the sink refuses the blob or its digest is wrong
   */
  putBlob(
    descriptor: Descriptor,
    open: OpenBlob,
    options?: { readonly replaces?: boolean | undefined },
  ): Promise<void>;
  /**
   * Stores a blob while it is being made. Only where that saves time; the caller puts the
   * blob in the usual way when this fails.
   * @param open the blob's bytes, which end when it is complete; called again for every new attempt
   * @param made what the blob turned out to be
   * @throws ImageError, and what `made` rejects with
   */
  putGrowingBlob?(open: OpenBlob, made: Promise<Pick<Descriptor, 'digest'>>): Promise<void>;
  /**
   * Stores a manifest or an index. All that it mentions must have been put before.
   * @param role `root` gives it the name of the sink's reference and makes the image complete:
   *   an archive is written at this moment. `child` is a manifest that an index mentions.
   * @param annotations of the root's descriptor, where the sink keeps one (index.json of a layout)
   * @returns its descriptor
   * @throws ImageError
   */
  putManifest(
    bytes: Uint8Array,
    mediaType: string,
    role: 'root' | 'child',
    annotations?: Readonly<Record<string, string>>,
  ): Promise<Descriptor>;
  /** Releases connections and temporary files. */
  close(): Promise<void>;
}
