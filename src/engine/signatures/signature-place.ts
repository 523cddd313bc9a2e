/** Where the signatures of an image are: beside it, in its repository or layout. */
import { ImageError } from '../../oci/image-error.js';
import { layoutSource } from '../../oci/layout.js';
import { OCI_INDEX } from '../../oci/media-types.js';
import { isIndex, parseManifest } from '../../oci/parse-manifest.js';
import type { ImageReference, LayoutReference, RegistryReference } from '../../oci/reference.js';
import { formatReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { repositorySource } from '../../oci/registry/registry.js';
import type { BlobReader, RootManifest } from '../../oci/resolve.js';
import type { Descriptor, Digest, ImageIndex, ImageSink } from '../../oci/resolved-image.js';
import { UnsupportedError } from '../../util/errors.js';
import { referrersTag, SIGNATURE_ARTIFACT } from '../../verify/signature-form.js';
import { openImageSink } from '../exports/image-sink.js';

/** What a repository, or a layout, has beside an image. */
export interface SignaturePlace {
  /** Without a tag, for messages. */
  readonly title: string;
  /** What the payload of a signature calls the image: the repository; nothing in a layout. */
  readonly repository: string;
  readonly reader: BlobReader;
  /** What a tag names; undefined: there is no such tag. @throws ImageError */
  tagged(tag: string): Promise<RootManifest | undefined>;
  /** What a tag means now, by a short request; undefined: nothing. @throws ImageError */
  head(tag: string): Promise<Digest | undefined>;
  /** The manifest of a tag or a digest. @throws ImageError */
  manifest(reference: string): Promise<RootManifest>;
  /** Signatures that refer to a manifest, as the registry's API lists them; undefined: it has none. */
  referrers(digest: Digest): Promise<Descriptor[] | undefined>;
  /** Somewhere to write to. @param tag that the root gets */
  sink(tag: string): ImageSink;
  close(): Promise<void>;
}

/** HTTP; also of layouts. */
const NOT_FOUND = 404;

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof ImageError && error.status === NOT_FOUND) return undefined;
    throw error;
  }
}

function registryPlace(reference: RegistryReference, registry: RegistryOptions): SignaturePlace {
  const { kind, host, repository } = reference;
  const source = repositorySource(reference, registry);
  const title = `${host}/${repository}`;
  return {
    title,
    // Go's libraries, which cosign is made with, call Docker Hub so.
    repository: host === 'docker.io' ? `index.docker.io/${repository}` : title,
    reader: source.reader,
    tagged: (tag) => unlessMissing(source.manifest(tag)),
    head: async (tag) => (await unlessMissing(source.head(tag)))?.digest,
    manifest: source.manifest,
    referrers: (digest) => source.referrers(digest, SIGNATURE_ARTIFACT),
    sink: (tag) => openImageSink(formatReference({ kind, host, repository, tag }), registry),
    close: source.close,
  };
}

function layoutPlace({ kind, directory }: LayoutReference): SignaturePlace {
  const { reader, close } = layoutSource({ kind, directory });
  const manifest = (name: string) => {
    const selection = name.includes(':') ? { digest: name as Digest } : { tag: name };
    return layoutSource({ kind, directory, ...selection }).root();
  };
  const tagged = (tag: string) => unlessMissing(manifest(tag));
  return {
    title: reader.title,
    repository: '',
    reader,
    tagged,
    head: async (tag) => (await tagged(tag))?.descriptor.digest,
    manifest,
    referrers: async () => undefined,
    sink: (tag) => openImageSink(formatReference({ kind, directory, tag })),
    close,
  };
}

/** @throws UnsupportedError for what holds one image alone */
export function openSignaturePlace(
  reference: ImageReference,
  registry: RegistryOptions = {},
): SignaturePlace {
  if (reference.kind === 'registry') return registryPlace(reference, registry);
  if (reference.kind === 'oci-layout') return layoutPlace(reference);
  throw new UnsupportedError(`${reference.kind}: has no place for signatures`, undefined, {
    hint: 'push the image to a registry or an oci-layout:// and sign it there',
  });
}

/** The list behind the tag that stands for the API, and what the tag means. */
export async function taggedReferrers(
  place: SignaturePlace,
  digest: Digest,
): Promise<{ readonly root: Digest; readonly index: ImageIndex } | undefined> {
  const found = await place.tagged(referrersTag(digest));
  if (!found) return undefined;
  const index = parseManifest(found.bytes, found.descriptor.mediaType ?? OCI_INDEX, place.title);
  return isIndex(index) ? { root: found.descriptor.digest, index } : undefined;
}
