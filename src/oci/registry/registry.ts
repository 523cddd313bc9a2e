/** Registries as source and sink of images. */
import type { Readable } from 'node:stream';
import { type ArtifactSource, resolveArtifacts } from '../artifact.js';
import { getDigest } from '../blob-digest.js';
import { ImageError } from '../image-error.js';
import { formatReference, type RegistryReference } from '../reference.js';
import {
  type BlobReader,
  type ManifestSource,
  type RootManifest,
  resolveImage,
} from '../resolve.js';
import type {
  Descriptor,
  Digest,
  ImageSink,
  ImageSource,
  Platform,
  ResolvedImage,
} from '../resolved-image.js';
import { accessConfig } from './auth-config.js';
import {
  getManifest,
  hasBlob,
  headManifest,
  openBlob,
  openClient,
  type RegistryClient,
} from './client.js';
import { listReferrers } from './referrers.js';
import type { SessionOptions } from './registry-session.js';
import { uploadGrowingBlob } from './stream-upload.js';
import { claimBlob, putManifest, uploadBlob } from './upload.js';

/** Options of sources and sinks; the environment's settings unless told otherwise. */
export type RegistryOptions = Partial<SessionOptions> & {
  /** The variables that `config` is read from when it is not given; those of this process. */
  readonly environment?: NodeJS.ProcessEnv;
};

function sessionOptions(options: RegistryOptions): SessionOptions {
  return {
    ...options,
    config: accessConfig(options),
  };
}

/** What to ask the registry for: the digest decides. */
function wanted(reference: RegistryReference): string {
  return reference.digest ?? reference.tag ?? 'latest';
}

/** A registry image. */
export type RegistrySource = ImageSource & ArtifactSource & ManifestSource;

/**
 * Asks one after the other.
 * @throws what the last one threw: that is the registry itself, the others are its mirrors
 */
async function firstThatWorks<T>(
  clients: readonly RegistryClient[],
  ask: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  let failure: unknown = new ImageError('no registry to ask');
  for (const client of clients) {
    try {
      return await ask(client);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** A repository to be read; its mirrors are asked first, and itself for what they fail to deliver. */
export interface RepositorySource {
  readonly reader: BlobReader;
  /** The manifest of a tag or a digest. @throws ImageError */
  manifest(reference: string): Promise<RootManifest>;
  /** What a tag or a digest means, by a short request; undefined when the registry does not say. */
  head(reference: string): Promise<Descriptor | undefined>;
  /** What refers to a manifest; see listReferrers. The registry itself knows, not its mirrors. */
  referrers(digest: Digest, artifactType: string): Promise<Descriptor[] | undefined>;
  close(): Promise<void>;
}

/** Opens a repository; nothing is asked yet. */
export function repositorySource(
  { host, repository }: RegistryReference,
  options: RegistryOptions = {},
  title = `${host}/${repository}`,
): RepositorySource {
  const session = sessionOptions(options);
  const own = openClient(host, repository, 'pull', session);
  const mirrors = session.config.mirrors.get(host) ?? [];
  const clients = [...mirrors.map((name) => openClient(name, repository, 'pull', session)), own];
  const manifest = (reference: string) =>
    firstThatWorks(clients, (client) => getManifest(client, reference));
  return {
    reader: {
      title,
      context: { registry: host, reference: title },
      readManifest: async ({ digest }) => (await manifest(digest)).bytes,
      openBlob: (descriptor): Promise<Readable> =>
        firstThatWorks(clients, (client) => openBlob(client, descriptor)),
    },
    manifest,
    head: (reference) => firstThatWorks(clients, (client) => headManifest(client, reference)),
    referrers: (digest, artifactType) => listReferrers(own, digest, artifactType),
    async close() {
      await Promise.all(clients.map((client) => client.session.close()));
    },
  };
}

/** An image in a registry. */
export function registrySource(
  reference: RegistryReference,
  options: RegistryOptions = {},
): RegistrySource {
  const title = formatReference(reference);
  const { reader, manifest, head, close } = repositorySource(reference, options, title);
  const root = () => manifest(wanted(reference));
  return {
    title,
    reader,
    root,
    digest: async () => reference.digest ?? (await head(wanted(reference)))?.digest,
    resolve: async (platform: Platform): Promise<ResolvedImage> =>
      resolveImage(await root(), platform, reader),
    artifacts: async (platform, maxConfigBytes) =>
      resolveArtifacts(await root(), platform, reader, maxConfigBytes),
    close,
  };
}

/** Options of a sink. */
export interface RegistrySinkOptions extends RegistryOptions {
  /** Another repository of the same registry that has the blob, if any is known. */
  readonly mountFrom?: (digest: Digest) => string | undefined;
  /** See UploadOptions. */
  readonly chunkBytes?: number;
}

/** A repository that is asked what it has. */
export interface RepositoryBlobs {
  /** See claimBlob. */
  claim(digest: Digest, from: string | undefined): Promise<boolean>;
  close(): Promise<void>;
}

/** The blobs of a repository that an image is going to be pushed to. */
export function repositoryBlobs(
  { host, repository }: RegistryReference,
  options: RegistryOptions = {},
): RepositoryBlobs {
  const client = openClient(host, repository, 'pull,push', sessionOptions(options));
  return {
    claim: (digest, from) => claimBlob(client, digest, from),
    close: () => client.session.close(),
  };
}

/** An image to be pushed to a registry. Mirrors have no part in it. */
export function registrySink(
  reference: RegistryReference,
  options: RegistrySinkOptions = {},
): ImageSink {
  const { host, repository } = reference;
  const client = openClient(host, repository, 'pull,push', sessionOptions(options));
  const title = formatReference(reference);
  return {
    title,
    hasBlob: (digest) => hasBlob(client, digest),
    async putBlob(descriptor: Descriptor, open) {
      const mountFrom = options.mountFrom?.(descriptor.digest);
      const { chunkBytes } = options;
      await uploadBlob(client, descriptor, open, { mountFrom, chunkBytes });
    },
    putGrowingBlob: (open, made) => uploadGrowingBlob(client, open, made),
    async putManifest(bytes, mediaType, role) {
      const digest = getDigest(bytes);
      if (role === 'root' && reference.digest !== undefined && reference.digest !== digest)
        throw new ImageError(`push ${title}: the image's digest is ${digest}`, {
          registry: host,
          reference: title,
        });
      const name = role === 'root' ? (reference.tag ?? digest) : digest;
      return putManifest(client, bytes, mediaType, name);
    },
    close: () => client.session.close(),
  };
}
