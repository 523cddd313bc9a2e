/** `wiac imagetools create`: an image of several others, in every place that gets it. */
import { openImageSink } from '../engine/exports/image-sink.js';
import { isIndex, parseConfig, parseDescriptor, parseManifest } from '../oci/parse-manifest.js';
import type { ImageReference } from '../oci/reference.js';
import { formatReference } from '../oci/reference.js';
import type { BlobReader, ManifestSource } from '../oci/resolve.js';
import { collect } from '../oci/resolve.js';
import type { Descriptor, ImageSink } from '../oci/resolved-image.js';
import type { Combined, Part } from './combine.js';
import { copyParts, copyTree } from './copy-manifest.js';
import type { WrittenSource } from './sources.js';

const MAX_CONFIG = 4 << 20;

/** A source that has been looked up. */
export interface OpenPart extends Part {
  readonly reference: ImageReference;
  readonly reader: BlobReader;
}

/** A manifest in an index has the platform of its config. */
async function getPlatform(
  reader: BlobReader,
  manifest: Part['manifest'],
): Promise<Pick<Descriptor, 'platform'>> {
  if (
    isIndex(manifest) ||
    !/\.(?:image\.config|container\.image)\./.test(manifest.config.mediaType)
  )
    return {};
  const title = `config of ${reader.title}`;
  const bytes = await collect(await reader.openBlob(manifest.config), MAX_CONFIG, title);
  const { os, architecture, variant, ...config } = parseConfig(bytes, title);
  return {
    platform: {
      os,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      ...(config['os.version'] === undefined ? {} : { 'os.version': config['os.version'] }),
      ...(config['os.features'] === undefined ? {} : { 'os.features': config['os.features'] }),
    },
  };
}

/**
 * Looks a source up.
 * @throws ImageError
 */
export async function openPart(
  { reference, descriptor: said }: WrittenSource & { readonly reference: ImageReference },
  { reader, root }: ManifestSource,
): Promise<OpenPart> {
  const { descriptor, bytes } = await root();
  const { mediaType, digest, size } = descriptor;
  const manifest = parseManifest(bytes, mediaType, reader.title);
  const found = { mediaType: manifest.mediaType, digest, size };
  const own = said.platform === undefined ? await getPlatform(reader, manifest) : {};
  const whole = parseDescriptor(
    { ...found, ...own, ...said, ...found },
    formatReference(reference),
  );
  return { descriptor: whole, bytes, manifest, reference, reader };
}

/** The location of a repository: blobs that it has need not be copied there. */
function getPlace(reference: ImageReference): string {
  if (reference.kind === 'registry') return `${reference.host}/${reference.repository}`;
  const { kind } = reference;
  return kind === 'oci-layout' ? `${kind}:${reference.directory}` : formatReference(reference);
}

/** The repository of a source from which the registry of the target can take blobs by itself. */
function mountable({ reference }: OpenPart, target: ImageReference): string | undefined {
  const isSame = reference.kind === 'registry' && target.kind === 'registry';
  return isSame && reference.host === target.host ? reference.repository : undefined;
}

/** Copies what a source has to the sink, unless it is there. */
async function copySource(
  part: OpenPart,
  combined: Combined,
  target: ImageReference,
  sink: ImageSink,
): Promise<void> {
  if (getPlace(part.reference) === getPlace(target)) return;
  const { manifest, reader, descriptor, bytes } = part;
  if (!isIndex(manifest)) {
    const { mediaType } = manifest;
    const isChild = combined.manifests.some(({ digest }) => digest === descriptor.digest);
    if (isChild) await copyTree(reader, { ...descriptor, mediaType }, sink);
    else await copyParts(reader, bytes, mediaType, sink);
    return;
  }
  const wanted = new Set(combined.manifests.map(({ digest }) => digest));
  for (const child of manifest.manifests)
    if (wanted.has(child.digest)) await copyTree(reader, child, sink);
}

/**
 * Puts the result into one place.
 * @returns its descriptor
 * @throws ImageError, UnsupportedError
 */
export async function putCombined(
  combined: Combined,
  parts: readonly OpenPart[],
  target: ImageReference,
): Promise<Descriptor> {
  let current: OpenPart | undefined;
  const mountFrom = () => current && mountable(current, target);
  const sink = openImageSink(formatReference(target), {}, mountFrom);
  try {
    for (const part of parts) {
      current = part;
      await copySource(part, combined, target, sink);
    }
    return await sink.putManifest(combined.bytes, combined.mediaType, 'root');
  } finally {
    await sink.close();
  }
}
