/**
 * docker-archive: what `docker save` writes and `docker load` reads, as source and sink. Its
 * manifest.json lists images with their config and their layers, lowest first; there is no
 * manifest and no digest but those in the config, so a manifest is made up on reading.
 */
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { WiacError } from '../util/errors.js';
import { plural } from '../util/plural.js';
import { digestParts, getDigest, startDigest, verified } from './blob-digest.js';
import {
  type Compression,
  decompressed,
  detectCompression,
  MAGIC_BYTES,
} from './compress/decompress.js';
import { cannotWrite, getMessage, ImageError } from './image-error.js';
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_LAYER_GZIP,
  DOCKER_LAYER_ZSTD,
  DOCKER_MANIFEST,
  layerCompression,
} from './media-types.js';
import {
  type ArchiveMember,
  type ArchiveOutput,
  type MemberContent,
  readMemberContent,
  type Staging,
  stagingDirectory,
  writeArchive,
} from './oci-archive.js';
import { isIndex, MAX_JSON_BYTES, parseConfig, parseManifest } from './parse-manifest.js';
import {
  type DockerArchiveReference,
  familiarReference,
  formatReference,
  parseRegistryReference,
  type RegistryReference,
} from './reference.js';
import { collect } from './resolve.js';
import type {
  Descriptor,
  Digest,
  ImageManifest,
  ImageSink,
  ImageSource,
  OpenBlob,
  ResolvedImage,
  ResolvedLayer,
} from './resolved-image.js';
import { openTar, type TarFile, type TarIndex } from './tar-index.js';
import { writeWhole } from './write-file.js';

interface ArchiveEntry {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function parseEntries(bytes: Uint8Array, title: string): ArchiveEntry[] {
  const damaged = (why: string) => new ImageError(`${title}: manifest.json is damaged: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw damaged(getMessage(cause));
  }
  if (!Array.isArray(value)) throw damaged('it is no list');
  return value.map((item: unknown) => {
    const { Config, RepoTags, Layers } = (item ?? {}) as Record<string, unknown>;
    if (typeof Config !== 'string' || !isStrings(Layers)) throw damaged('no Config or no Layers');
    return { Config, Layers, RepoTags: isStrings(RepoTags) ? RepoTags : [] };
  });
}

function sameName(tag: string, wanted: string): boolean {
  try {
    return formatReference(parseRegistryReference(tag)) === wanted;
  } catch {
    return false;
  }
}

function selectEntry(
  entries: readonly ArchiveEntry[],
  reference: DockerArchiveReference,
  title: string,
): ArchiveEntry {
  const names = entries.flatMap((entry) => entry.RepoTags).join(', ') || 'images without a name';
  if (reference.name !== undefined) {
    const wanted = formatReference(reference.name);
    const found = entries.find((entry) => entry.RepoTags.some((tag) => sameName(tag, wanted)));
    if (found !== undefined) return found;
    throw new ImageError(`${title} has no image ${wanted}: it has ${names}`, { reference: title });
  }
  const [only] = entries;
  if (only !== undefined && entries.length === 1) return only;
  throw new ImageError(`${title}: which image? It has ${names}`, {
    reference: title,
    hint: 'name one of them after the path: docker-archive:FILE:NAME',
  });
}

function member(archive: TarIndex, path: string, title: string): TarFile {
  const found = archive.find(path);
  if (found !== undefined) return found;
  throw new ImageError(`${title} is no docker-archive: it has no ${path}`, { reference: title });
}

async function readMember(archive: TarIndex, path: string, title: string): Promise<Buffer> {
  return collect(member(archive, path, title).read(), MAX_JSON_BYTES, `${path} of ${title}`);
}

/** Engines with containerd's store save layers as they were pulled, zstd among them. */
const LAYER_TYPES: ReadonlyMap<Compression, string> = new Map([
  ['gzip', DOCKER_LAYER_GZIP],
  ['zstd', DOCKER_LAYER_ZSTD],
]);

/** Layers are plain tar files, whose digest is the diffID; a compressed one has to be read once. */
async function getLayer(file: TarFile, diffId: Digest, title: string): Promise<ResolvedLayer> {
  const start = await collect(file.read({ start: 0, end: MAGIC_BYTES }), MAGIC_BYTES, title);
  const mediaType = LAYER_TYPES.get(detectCompression(start)) ?? DOCKER_LAYER;
  const descriptor = {
    mediaType,
    digest: mediaType === DOCKER_LAYER ? diffId : await digestOfStream(file.read()),
    size: file.size,
  };
  const open = async () => verified(file.read(), descriptor, title, { reference: title });
  return { descriptor, diffId, open };
}

async function digestOfStream(stream: Readable): Promise<Digest> {
  const digester = startDigest();
  for await (const chunk of stream as AsyncIterable<Buffer>) digester.update(chunk);
  return digester.digest();
}

async function readImage(
  archive: TarIndex,
  reference: DockerArchiveReference,
  title: string,
): Promise<ResolvedImage> {
  const entries = parseEntries(await readMember(archive, 'manifest.json', title), title);
  const entry = selectEntry(entries, reference, title);
  const configBytes = await readMember(archive, entry.Config, title);
  const config = parseConfig(configBytes, title);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== entry.Layers.length)
    throw new ImageError(
      `${title} is damaged: ${plural(entry.Layers.length, 'layer')} in manifest.json, ${diffIds.length} in the config`,
      { reference: title },
    );
  const layers: ResolvedLayer[] = [];
  for (const [at, path] of entry.Layers.entries())
    layers.push(await getLayer(member(archive, path, title), diffIds[at] as Digest, title));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: { mediaType: DOCKER_CONFIG, size: configBytes.length, digest: getDigest(configBytes) },
    layers: layers.map((layer) => layer.descriptor),
  };
  const manifestBytes = Buffer.from(JSON.stringify(manifest));
  const manifestDescriptor = {
    mediaType: DOCKER_MANIFEST,
    digest: getDigest(manifestBytes),
    size: manifestBytes.length,
  };
  return {
    rootDescriptor: manifestDescriptor,
    manifestDescriptor,
    manifest,
    manifestBytes,
    config,
    configBytes,
    layers,
  };
}

/** An image in an archive of `docker save`; plain or compressed. */
export function dockerArchiveSource(reference: DockerArchiveReference): ImageSource {
  const title = formatReference({ kind: 'docker-archive', file: reference.file });
  let opened: Promise<TarIndex> | undefined;
  return {
    title,
    async resolve() {
      opened ??= openTar(reference.file);
      return readImage(await opened, reference, title);
    },
    async close() {
      const index = await opened?.catch(() => undefined);
      await index?.close();
    },
  };
}

/** A blob that waits to be written. */
interface Staged {
  readonly content: MemberContent;
  /** Of what is written. */
  readonly digest: Digest;
}

/** Puts a blob aside: its size, and of a compressed layer its digest too, has to be known before it is written. */
async function stageBlob(
  directory: string,
  descriptor: Descriptor,
  open: OpenBlob,
  title: string,
): Promise<Staged> {
  const isLayer = layerCompression(descriptor.mediaType) !== undefined;
  const file = join(directory, digestParts(descriptor.digest).hex);
  const digester = startDigest();
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digester.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await writeWhole(file, async (output) => {
      const input = verified(await open(), descriptor, title, { reference: title });
      // By its bytes, as it was unpacked here: some media types are wrong. What it must become is in the config.
      await pipeline(isLayer ? decompressed(input, undefined) : input, count, output);
    });
  } catch (cause) {
    if (cause instanceof WiacError) throw cause;
    throw cannotWrite(title, cause, title);
  }
  return { content: { file }, digest: digester.digest() };
}

/** Members of the archive of one image; the same image gives the same archive. */
async function archiveMembers(
  manifest: ImageManifest,
  staged: ReadonlyMap<Digest, Staged>,
  names: readonly RegistryReference[],
  title: string,
  stage: (descriptor: Descriptor, open: OpenBlob) => Promise<Staged>,
): Promise<ArchiveMember[]> {
  const find = (descriptor: Descriptor): Staged => {
    const found = staged.get(descriptor.digest);
    if (found !== undefined) return found;
    throw new ImageError(`${title}: the blob ${descriptor.digest} was not put`);
  };
  const config = await readMemberContent(find(manifest.config).content, title);
  const diffIds = parseConfig(config, title).rootfs.diff_ids;
  const layers: Staged[] = [];
  for (const [at, descriptor] of manifest.layers.entries()) {
    const layer = find(descriptor);
    const { content, digest } = layer;
    // Some media types are wrong: a layer whose type says that it is not compressed, but whose digest is not the
    // config's diffID, is compressed.
    const isOther = 'open' in content && digest !== diffIds[at];
    layers.push(isOther ? await stage(descriptor, content.open) : layer);
  }
  if (layers.some((layer, at) => layer.digest !== diffIds[at]))
    throw new ImageError(`${title}: the layers are not those of the config's diff_ids`);
  const configName = `${digestParts(manifest.config.digest).hex}.json`;
  const layerName = (layer: Staged) => `${digestParts(layer.digest).hex}.tar`;
  const tagged = names.length === 0 ? null : names.map(familiarReference);
  const list = [{ Config: configName, RepoTags: tagged, Layers: layers.map(layerName) }];
  const contents = new Map(layers.map((layer) => [layerName(layer), layer.content]));
  return [
    ...[...contents].map(([path, content]) => ({ path, content })),
    { path: configName, content: { bytes: config } },
    { path: 'manifest.json', content: { bytes: Buffer.from(JSON.stringify(list)) } },
  ];
}

/**
 * An archive for `docker load`; an existing one is replaced. It holds one image, so an index
 * can't be put. Layers without compression are opened when the manifest is put, and not before: their files have to
 * stay until then. Other blobs are collected next to the archive, in a directory that `close` removes.
 * @param output instead of the reference's file
 * @param names instead of the reference's name
 */
export function dockerArchiveSink(
  reference: DockerArchiveReference,
  output: ArchiveOutput = reference.file,
  names: readonly RegistryReference[] = reference.name === undefined ? [] : [reference.name],
): ImageSink {
  const title = formatReference(reference);
  const staged = new Map<Digest, Staged>();
  let area: Promise<Staging> | undefined;
  const stage = async (descriptor: Descriptor, open: OpenBlob): Promise<Staged> => {
    area ??= stagingDirectory(output, title);
    return stageBlob((await area).path, descriptor, open, title);
  };
  return {
    title,
    hasBlob: async (digest) => staged.has(digest),
    async putBlob(descriptor, openBlob) {
      const { digest, size, mediaType } = descriptor;
      if (staged.has(digest)) return;
      const open = async () => verified(await openBlob(), descriptor, title, { reference: title });
      const isPlain = layerCompression(mediaType) === 'none';
      staged.set(
        digest,
        isPlain ? { digest, content: { size, open } } : await stage(descriptor, openBlob),
      );
    },
    async putManifest(bytes, mediaType, role) {
      const manifest = parseManifest(bytes, mediaType, title);
      if (isIndex(manifest) || role !== 'root')
        throw new ImageError(`${title}: a docker-archive holds one image for one platform`, {
          reference: title,
          hint: 'write an oci-archive for several platforms or attestations',
        });
      const members = await archiveMembers(manifest, staged, names, title, stage);
      await writeArchive(output, members, title);
      return { mediaType, digest: getDigest(bytes), size: bytes.length };
    },
    async close() {
      const staging = await area?.catch(() => undefined);
      await staging?.remove();
    },
  };
}
