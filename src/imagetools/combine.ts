/** One index of several images and indexes, as `docker buildx imagetools create` makes it. Pure. */

import type { Annotation } from '../oci/annotations.js';
import { getAnnotations } from '../oci/annotations.js';
import { getDigest } from '../oci/blob-digest.js';
import { DOCKER_INDEX, OCI_INDEX } from '../oci/media-types.js';
import { isIndex } from '../oci/parse-manifest.js';
import { formatPlatform, isAttestation, parsePlatform, platformFit } from '../oci/platform.js';
import type { Descriptor, ImageIndex, ImageManifest } from '../oci/resolved-image.js';
import { UsageError } from '../util/errors.js';

/** A source of an index. */
export interface Part {
  /** Of a manifest with its platform, and what a file says of it. */
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly manifest: ImageManifest | ImageIndex;
}

export interface CombineOptions {
  readonly annotations: readonly Annotation[];
  /** Only images for these; empty: for all. `os/architecture[/variant]`. */
  readonly platforms: readonly string[];
  /** One image alone becomes an index of one as well. */
  readonly preferIndex: boolean;
}

/** A manifest or an index that is not there yet. */
export interface Combined {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** What an index consists of; empty for a copy of an image. */
  readonly manifests: readonly Descriptor[];
}

function refuseManifestAnnotations(annotations: readonly Annotation[]): void {
  const wrong = annotations.find(({ target }) => target === 'manifest');
  if (wrong)
    throw new UsageError(`--annotation ${wrong.key}: manifests stay as they are`, {
      hint: 'write index:KEY=VALUE or manifest-descriptor[PLATFORM]:KEY=VALUE',
    });
}

/** Entries for the platforms, and their attestations. */
function forPlatforms(
  manifests: readonly Descriptor[],
  platforms: readonly string[],
): readonly Descriptor[] {
  if (platforms.length === 0) return manifests;
  const wanted = platforms.map(parsePlatform);
  const kept = manifests.filter(
    (entry) =>
      entry.platform !== undefined &&
      !isAttestation(entry) &&
      wanted.some((platform) => entry.platform && platformFit(platform, entry.platform) === 0),
  );
  const digests = new Set<string>(kept.map(({ digest }) => digest));
  return manifests.filter(
    (entry) =>
      kept.includes(entry) ||
      (isAttestation(entry) &&
        digests.has(entry.annotations?.['vnd.docker.reference.digest'] ?? '')),
  );
}

/** An entry with what the command line says of it. */
function annotated(entry: Descriptor, annotations: readonly Annotation[]): Descriptor {
  if (isAttestation(entry)) return entry;
  const platform = entry.platform && formatPlatform(entry.platform);
  const own = getAnnotations(annotations, 'manifest-descriptor', platform);
  if (own === undefined) return entry;
  return { ...entry, annotations: { ...entry.annotations, ...own } };
}

/** Each digest once; what a later one says of it counts. */
function unique(entries: readonly Descriptor[]): Descriptor[] {
  const byDigest = new Map<string, Descriptor>();
  for (const entry of entries)
    byDigest.set(entry.digest, { ...byDigest.get(entry.digest), ...entry });
  return [...byDigest.values()];
}

function isCopy(parts: readonly Part[], options: CombineOptions): boolean {
  const [only] = parts;
  if (!only || parts.length > 1) return false;
  if (options.annotations.length > 0 || options.platforms.length > 0) return false;
  return isIndex(only.manifest) || !options.preferIndex;
}

/**
 * Combines images: one alone is copied, if it is an index or no index is wanted; the entries of
 * several become those of one index, Docker's only if all of them are.
 * @throws UsageError for annotations of manifests, and when nothing is left
 */
export function combine(parts: readonly Part[], options: CombineOptions): Combined {
  refuseManifestAnnotations(options.annotations);
  const [first] = parts;
  if (first && isCopy(parts, options)) {
    const manifests = isIndex(first.manifest) ? first.manifest.manifests : [];
    return { mediaType: first.manifest.mediaType, bytes: first.bytes, manifests };
  }
  const all = parts.flatMap(({ descriptor, manifest }) =>
    isIndex(manifest) ? manifest.manifests : [descriptor],
  );
  const entries = unique(forPlatforms(all, options.platforms));
  if (entries.length === 0)
    throw new UsageError('no image is left for the index', {
      hint: 'wiac imagetools inspect shows the platforms of the sources',
    });
  const manifests = entries.map((entry) => annotated(entry, options.annotations));
  const [only] = parts.length === 1 ? parts : [];
  const before = only && isIndex(only.manifest) ? only.manifest.annotations : undefined;
  const own = getAnnotations(options.annotations, 'index');
  const types = [...parts.map(({ manifest }) => manifest.mediaType), ...entries.map(typeOf)];
  const isDocker = own === undefined && types.every((type) => type.includes('.docker.'));
  const mediaType = isDocker ? DOCKER_INDEX : OCI_INDEX;
  const annotations = before || own ? { annotations: { ...before, ...own } } : {};
  const index = { schemaVersion: 2, mediaType, manifests, ...annotations };
  return { mediaType, bytes: Buffer.from(JSON.stringify(index, null, 2)), manifests };
}

function typeOf({ mediaType }: Descriptor): string {
  return mediaType;
}

/** The descriptor of what was combined. */
export function getDescriptor({ mediaType, bytes }: Combined): Descriptor {
  return { mediaType, digest: getDigest(bytes), size: bytes.length };
}
