/** An image of podman or buildah, to be used where it is: nothing is copied, nothing is written. */
import { getDigest } from '../oci/blob-digest.js';
import { ImageError } from '../oci/image-error.js';
import type { InPlaceImage, InPlaceLayer } from '../oci/in-place.js';
import { isIndex, parseConfig, parseManifest } from '../oci/parse-manifest.js';
import { formatReference, parseRegistryReference } from '../oci/reference.js';
import type { ImageConfig } from '../oci/resolved-image.js';
import { UnsupportedError } from '../util/errors.js';
import { plural } from '../util/plural.js';
import { suggest } from '../util/suggest.js';
import type { StorageQuery, StorageRoot } from './roots.js';
import { findStorage } from './roots.js';
import type { StorageImageRecord, StorageLayerRecord } from './storage-records.js';
import {
  hasDirectory,
  hasMountProgram,
  layerDirectory,
  readBigData,
  readImages,
  readLayers,
} from './storage-records.js';

/** What podman calls an image that was built without a registry's name. */
const LOCAL = 'localhost/';

/** Full names that a short one may stand for, in podman's order. */
function candidates(name: string): string[] {
  try {
    const reference = parseRegistryReference(name);
    const full = formatReference(reference);
    if (reference.host !== 'docker.io' || name.startsWith('docker.io/')) return [full];
    const { tag, digest } = reference;
    const short = name.replace(/[:@].*$/, '');
    const suffix = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
    return [`${LOCAL}${short}${suffix}`, full];
  } catch {
    // An id of 64 digits can be no name.
    return [];
  }
}

function hasName(image: StorageImageRecord, wanted: string): boolean {
  const at = wanted.indexOf('@');
  if (at === -1) return image.names.includes(wanted);
  const repository = wanted.slice(0, at).replace(/:[^/]*$/, '');
  const named = image.names.some((name) => name.replace(/[:@][^/]*$/, '') === repository);
  return named && image.digest === wanted.slice(at + 1);
}

function findImage(
  images: readonly StorageImageRecord[],
  name: string,
): StorageImageRecord | undefined {
  for (const full of candidates(name)) {
    const found = images.find((image) => hasName(image, full));
    if (found) return found;
  }
  const digits = name.replace(/^@?(?:sha256:)?/, '');
  if (!/^[0-9a-f]{3,64}$/.test(digits)) return undefined;
  const matches = images.filter(({ id }) => id.startsWith(digits));
  return matches.length === 1 ? matches[0] : undefined;
}

function notFound(
  { name, roots }: StorageQuery,
  images: readonly StorageImageRecord[] | undefined,
): ImageError {
  const where = roots.map(({ path }) => path).join(', ');
  const reference = `containers-storage:${name}`;
  if (images === undefined)
    return new ImageError(`there are no images of podman or buildah in ${where}`, {
      reference,
      hint: 'name the directory: containers-storage:[overlay@DIR]NAME, $CONTAINERS_STORAGE or storage.conf',
    });
  const names = images.flatMap((image) => image.names);
  const short = names.map((full) => full.replace(/^localhost\//, ''));
  const similar = suggest(name, [...short, ...short.map((item) => item.replace(/:latest$/, ''))]);
  return new ImageError(`there is no image ${name} in ${where}`, {
    reference,
    hint:
      similar === undefined
        ? 'podman images, or buildah images, lists them'
        : `did you mean ${similar}?`,
  });
}

function damaged(image: StorageImageRecord, why: string): ImageError {
  return new ImageError(
    `the image ${image.names[0] ?? image.id} in ${image.root.path} is damaged: ${why}`,
    {
      hint: 'pull or build it again with podman or buildah',
    },
  );
}

/** The layers of an image, bottom first. A parent may be in another of the stores. */
function layerChain(
  image: StorageImageRecord,
  roots: readonly StorageRoot[],
): StorageLayerRecord[] {
  const layers = new Map(roots.toReversed().flatMap((root) => [...readLayers(root)]));
  const chain: StorageLayerRecord[] = [];
  for (let id = image.layer; id !== undefined; ) {
    const layer = layers.get(id);
    if (!layer) throw damaged(image, `it has no record of its layer ${id}`);
    if (layer.incomplete) throw damaged(image, `its layer ${id} was not written to its end`);
    if (chain.includes(layer)) throw damaged(image, `its layer ${id} is below itself`);
    if (!hasDirectory(layer))
      throw damaged(image, `the directory ${layerDirectory(layer)} is missing`);
    chain.push(layer);
    id = layer.parent;
  }
  return chain.reverse();
}

/** Each layer of the config has one of the chain, and it is the same one. */
function checkChain(
  image: StorageImageRecord,
  chain: readonly StorageLayerRecord[],
  { rootfs }: ImageConfig,
): void {
  const diffIds = rootfs.diff_ids;
  if (chain.length !== diffIds.length)
    throw damaged(
      image,
      `its config names ${plural(diffIds.length, 'layer')}, there are ${chain.length}`,
    );
  for (const [at, { id, diffDigest }] of chain.entries())
    if (diffDigest !== undefined && diffDigest !== diffIds[at])
      throw damaged(image, `its layer ${id} has the diffID ${diffDigest}, not ${diffIds[at]}`);
}

function readConfig(
  image: StorageImageRecord,
): Pick<InPlaceImage, 'digest' | 'config'> & { readonly configBytes: Uint8Array } {
  const title = `containers-storage:${image.names[0] ?? image.id}`;
  const manifest = parseManifest(readBigData(image, 'manifest'), undefined, title);
  if (isIndex(manifest)) throw damaged(image, 'its manifest is an index');
  const { digest } = manifest.config;
  const bytes = readBigData(image, digest);
  if (getDigest(bytes) !== digest) throw damaged(image, `its config is not that of ${digest}`);
  return { digest, config: parseConfig(bytes, title), configBytes: bytes };
}

/** A vfs layer holds all that is below it as well: the topmost one is the whole image. */
function wholeImage(config: ImageConfig): ImageConfig {
  if (config.history === undefined) return config;
  const last = config.history.findLastIndex(({ empty_layer }) => empty_layer !== true);
  const history = config.history.map((entry, at) =>
    at < last ? { ...entry, empty_layer: true } : entry,
  );
  return { ...config, history };
}

/**
 * Finds an image and its layers.
 * @param text what follows `containers-storage:`
 * @param rootless is wiac run by an ordinary user, who has a storage of his own?
 * @throws ImageError when it is not there or damaged, UnsupportedError for layers that the kernel
 *   would read in another way than who wrote them
 */
export function openStorageImage(
  text: string,
  env: NodeJS.ProcessEnv,
  rootless: boolean,
): InPlaceImage {
  const query = findStorage(text, env, rootless);
  const stores = query.roots.map(readImages);
  const known = stores.flatMap((images) => images ?? []);
  const image = findImage(known, query.name);
  if (!image) throw notFound(query, stores[0] && known);
  const { digest, config, configBytes } = readConfig(image);
  const chain = layerChain(image, query.roots);
  checkChain(image, chain, config);
  const mounted = chain.find(({ root }) => root.driver === 'overlay' && hasMountProgram(root));
  if (mounted)
    throw new UnsupportedError(
      `the layers in ${mounted.root.path} are for fuse-overlayfs`,
      undefined,
      {
        hint: 'copy the image first: skopeo copy containers-storage:NAME oci:DIR:NAME',
      },
    );
  const layers = chain.map(
    (layer): InPlaceLayer => ({
      path: layerDirectory(layer),
      identity: layer.diffDigest ?? layer.id,
    }),
  );
  const top = chain.at(-1);
  return top?.root.driver === 'vfs'
    ? { digest, config: wholeImage(config), configBytes: undefined, layers: layers.slice(-1) }
    : { digest, config, configBytes, layers };
}
