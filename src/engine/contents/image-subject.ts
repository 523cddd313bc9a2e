/** An image to be looked into, wherever it is: what is said about it, and the files of its layers. */
import type { CarriedStatement } from '../../attest/read-attestations.js';
import { attestationFor, readStatements } from '../../attest/read-attestations.js';
import type { Stack } from '../../fs/layer/stack.js';
import { ImageError } from '../../oci/image-error.js';
import { isIndex, parseManifest } from '../../oci/parse-manifest.js';
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  platformFit,
} from '../../oci/platform.js';
import type { ImageReference } from '../../oci/reference.js';
import {
  formatReference,
  hasTransport,
  isContainersStorage,
  parseReference,
  parseRegistryReference,
} from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { BlobReader, RootManifest } from '../../oci/resolve.js';
import { checkJsonSize, MAX_DEPTH } from '../../oci/resolve.js';
import type { Descriptor, Digest, ResolvedImage } from '../../oci/resolved-image.js';
import { getNames } from '../../store/images/store-images.js';
import { layerStack } from '../../store/layers/layer-stack.js';
import { useLayers } from '../../store/pins/uses.js';
import type { ImageRecord, LayerId } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { fetchImageLayers } from '../images/fetch-layer.js';
import { findImage } from '../images/find-image.js';
import { openImageSource } from '../images/image-source.js';
import { openManifests } from '../images/open-manifest.js';
import { imageId } from '../images/settle-image-ids.js';
import { adoptStorageImage } from '../images/storage-image.js';

/** How images are found and reached. */
export interface SubjectAccess {
  /** `os/architecture[/variant]`; this machine's by default, and of the store whatever is there. */
  readonly platform?: string | undefined;
  readonly registry?: RegistryOptions | undefined;
  readonly environment?: NodeJS.ProcessEnv | undefined;
}

/** Nothing is asked before a method is called. */
export interface ImageSubject {
  /** As it was written. */
  readonly name: string;
  readonly platform: string;
  /** What its layers are made from is here: no registry has to be asked for them. */
  readonly isHere: boolean;
  /** Its manifest's, else its id: what tells it from others. For the latter its layers may be read. */
  digest(): Promise<string>;
  /** Statements in the index that it is a part of. @throws ImageError */
  carried(isWanted: (predicateType: string) => boolean): Promise<CarriedStatement[]>;
  /** Its layers, bottom first, fetched if they are not here. @throws ImageError, NoSpaceError */
  layers(): Promise<readonly LayerId[]>;
}

/** The image of an index for a platform, with the index that names it. @throws ImageError */
async function inIndex(
  reader: BlobReader,
  root: RootManifest,
  choose: (manifests: readonly Descriptor[]) => Descriptor | undefined,
) {
  let current = root;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const { bytes, descriptor } = current;
    const index = parseManifest(bytes, descriptor.mediaType, reader.title);
    if (!isIndex(index)) return undefined;
    const image = choose(index.manifests);
    if (!image) return undefined;
    const attestation = attestationFor(index, image);
    if (attestation) return { image, attestation };
    checkJsonSize(image, `manifest of ${reader.title}`);
    current = { descriptor: image, bytes: await reader.readManifest(image) };
  }
  return undefined;
}

async function carriedBy(
  reference: ImageReference,
  choose: (manifests: readonly Descriptor[]) => Descriptor | undefined,
  isWanted: (predicateType: string) => boolean,
  registry: RegistryOptions | undefined,
): Promise<CarriedStatement[]> {
  if (reference.kind === 'docker-archive' || reference.kind === 'containers-storage') return [];
  const source = openManifests(reference, registry);
  try {
    const found = await inIndex(source.reader, await source.root(), choose);
    if (!found) return [];
    return await readStatements(source.reader, found.attestation, found.image, isWanted);
  } finally {
    await source.close();
  }
}

/** Where the index of a pulled image is: in the repository of a name that it has. */
function indexReference(store: Store, { id, index }: ImageRecord): ImageReference | undefined {
  if (index === undefined) return undefined;
  for (const name of getNames(store, id)) {
    try {
      const { kind, host, repository } = parseRegistryReference(name);
      return { kind, host, repository, digest: index as Digest };
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
    }
  }
  return undefined;
}

function storedSubject(
  store: Store,
  name: string,
  image: ImageRecord,
  { registry }: SubjectAccess,
): ImageSubject {
  return {
    name,
    platform: image.platform,
    isHere: true,
    digest: async () => image.manifest ?? (await imageId(store, image)),
    carried: async (isWanted) => {
      const reference = indexReference(store, image);
      if (!reference) return [];
      const choose = (manifests: readonly Descriptor[]) =>
        manifests.find(({ digest }) => digest === image.manifest);
      return carriedBy(reference, choose, isWanted, registry);
    },
    layers: async () => {
      useLayers(store, image.layers);
      return image.layers;
    },
  };
}

function remoteSubject(
  store: Store,
  name: string,
  reference: ImageReference,
  { platform = formatPlatform(hostPlatform()), registry }: SubjectAccess,
): ImageSubject {
  const wanted = parsePlatform(platform);
  const resolved = async <T>(use: (image: ResolvedImage) => Promise<T>): Promise<T> => {
    const source = openImageSource(name, registry);
    try {
      return await use(await source.resolve(wanted));
    } finally {
      await source.close();
    }
  };
  return {
    name,
    platform,
    isHere: false,
    digest: () => resolved(async ({ manifestDescriptor }) => manifestDescriptor.digest),
    carried: (isWanted) => {
      const choose = (manifests: readonly Descriptor[]) =>
        choosePlatform(manifests, wanted, formatReference(reference));
      return carriedBy(reference, choose, isWanted, registry);
    },
    layers: () =>
      resolved(async (image) => {
        const { signal } = new AbortController();
        const layers = await fetchImageLayers({ store, signal }, image);
        useLayers(store, layers);
        return layers;
      }),
  };
}

/**
 * An image of the store by its name or id; else one of a registry, a layout, an archive, or of podman.
 * @throws ImageError for what is neither, UnsupportedError
 */
export async function openSubject(
  store: Store,
  name: string,
  access: SubjectAccess,
): Promise<ImageSubject> {
  if (isContainersStorage(name))
    return storedSubject(
      store,
      name,
      adoptStorageImage(store, name, access.environment ?? {}),
      access,
    );
  const stored = hasTransport(name) ? undefined : await findImage(store, name);
  const fits =
    stored &&
    (access.platform === undefined ||
      platformFit(parsePlatform(access.platform), parsePlatform(stored.platform)) !== undefined);
  if (stored && fits) return storedSubject(store, name, stored, access);
  return remoteSubject(store, name, parseReference(name), access);
}

/** The files of an image, merged. @throws what its layers() throws */
export async function subjectStack(store: Store, subject: ImageSubject): Promise<Stack> {
  return layerStack(store, await subject.layers());
}
