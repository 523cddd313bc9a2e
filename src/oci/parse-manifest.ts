/**
 * Reads manifests, indexes and configs from JSON and checks what wiac relies on. They come from
 * strangers: nothing is used before its shape is checked here.
 */
import { isDigest } from './blob-digest.js';
import { parseForeignJson } from './foreign-json.js';
import { ImageError } from './image-error.js';
import { isIndexType, isManifestType, OCI_INDEX, OCI_MANIFEST } from './media-types.js';
import { hostPlatform, isPlatformPart } from './platform.js';
import type {
  Descriptor,
  ImageConfig,
  ImageIndex,
  ImageManifest,
  Platform,
} from './resolved-image.js';

/** Manifests and configs above this size are refused; distribution-spec asks for 4 MiB at least. */
export const MAX_JSON_BYTES = 8 * 1024 * 1024;

type JsonObject = { readonly [name: string]: unknown };

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStringRecord(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((item) => typeof item === 'string');
}

function isStringArray(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function parseObject(bytes: Uint8Array, where: string): JsonObject {
  const value = parseForeignJson(bytes, where);
  if (!isObject(value)) throw new ImageError(`${where} is not a JSON object`);
  return value;
}

/** Docker writes `null` for members that are not set: null counts as absent. */
function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

/** A platform that names nothing is none: some tools write one with two empty strings. */
function checkPlatform(value: unknown, where: string): JsonObject | undefined {
  if (!isObject(value) || typeof value.os !== 'string' || typeof value.architecture !== 'string')
    throw new ImageError(`${where} has a platform without os or architecture`);
  const { os, architecture, variant } = value;
  if (os === '' && architecture === '') return undefined;
  requirePlatformParts([os, architecture, variant], `${where} has a platform`);
  return withoutNulls(value);
}

/** Each is nothing, or can stand in the name of a platform. @throws ImageError */
function requirePlatformParts(parts: readonly unknown[], where: string): void {
  if (parts.every((part) => isNothing(part) || isPlatformPart(part))) return;
  throw new ImageError(`${where} that means nothing: ${parts.map(inQuotes).join(', ')}`);
}

const inQuotes = (value: unknown) => JSON.stringify(value) ?? 'undefined';

/**
 * Checks a descriptor.
 * @param where what holds it, for the message
 * @throws ImageError
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  if (!isObject(value)) throw new ImageError(`${where} is no descriptor`);
  const clean = withoutNulls(value);
  const { mediaType, digest, size } = clean;
  if (typeof mediaType !== 'string') throw new ImageError(`${where} has no media type`);
  if (typeof digest !== 'string' || !isDigest(digest))
    throw new ImageError(`${where} has no valid digest: ${JSON.stringify(digest)}`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw new ImageError(`${where} has no valid size: ${JSON.stringify(size)}`);
  if (clean.annotations !== undefined && !isStringRecord(clean.annotations))
    throw new ImageError(`${where} has annotations that are no strings`);
  const { platform: named, ...rest } = clean;
  const platform = named === undefined ? undefined : checkPlatform(named, where);
  return { ...rest, ...(platform === undefined ? {} : { platform }) } as unknown as Descriptor;
}

function descriptors(value: unknown, where: string): Descriptor[] {
  if (!Array.isArray(value)) throw new ImageError(`${where} is no list`);
  return value.map((item, at) => parseDescriptor(item, `${where}[${at}]`));
}

/**
 * Reads a manifest or an index.
 * @param mediaType as the descriptor or the registry says; undefined when neither says
 * @param where the image, for messages
 * @throws ImageError when it is neither, or contradicts itself (image-spec manifest.md: the
 *   `mediaType` member must match; a document with both `manifests` and `layers` could be read in
 *   two ways)
 */
export function parseManifest(
  bytes: Uint8Array,
  mediaType: string | undefined,
  where: string,
): ImageManifest | ImageIndex {
  const value = withoutNulls(parseObject(bytes, `manifest of ${where}`));
  if (value.schemaVersion === 1)
    throw new ImageError(`${where} has a Docker schema 1 manifest, which wiac does not read`, {
      reference: where,
      hint: 'push it again with a current program, for example `skopeo copy --format oci`',
    });
  if (value.schemaVersion !== 2)
    throw new ImageError(`${where} is no image: its manifest has no schemaVersion 2`);
  if (value.manifests !== undefined && (value.layers !== undefined || value.config !== undefined))
    throw new ImageError(`${where} is ambiguous: its manifest is also an index`);
  const inferred = value.manifests !== undefined ? OCI_INDEX : OCI_MANIFEST;
  const own = typeof value.mediaType === 'string' ? value.mediaType : undefined;
  const known =
    mediaType !== undefined && (isIndexType(mediaType) || isManifestType(mediaType))
      ? mediaType
      : undefined;
  if (own !== undefined && known !== undefined && own !== known)
    throw new ImageError(`${where} is ambiguous: its media type is ${known}, and ${own} inside`);
  const type = known ?? own ?? inferred;
  if (isIndexType(type) !== (value.manifests !== undefined))
    throw new ImageError(`${where} has a manifest that does not fit its media type ${type}`);
  if (isIndexType(type)) {
    const manifests = descriptors(value.manifests, `manifests of ${where}`);
    return { ...value, mediaType: type, manifests } as unknown as ImageIndex;
  }
  if (!isManifestType(type))
    throw new ImageError(`${where} is no image: its media type is ${type}`);
  const config = parseDescriptor(value.config, `config of ${where}`);
  const layers = descriptors(value.layers ?? [], `layers of ${where}`);
  return { ...value, mediaType: type, config, layers } as unknown as ImageManifest;
}

/** Whether a parsed manifest is an index. */
export function isIndex(manifest: ImageManifest | ImageIndex): manifest is ImageIndex {
  return 'manifests' in manifest;
}

const CONTAINER_STRINGS = ['User', 'WorkingDir', 'StopSignal'];
const CONTAINER_LISTS = ['Env', 'Entrypoint', 'Cmd', 'OnBuild', 'Shell'];
const CONTAINER_OBJECTS = ['ExposedPorts', 'Volumes', 'Healthcheck'];

/** Does any string or name in the value have a NUL byte? */
function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([name, member]) => name.includes('\0') || holdsNul(member));
}

function checkContainerConfig(value: JsonObject, where: string): void {
  // No path, argument or variable of a program can have one.
  if (holdsNul(value)) throw new ImageError(`config of ${where} has a NUL byte`);
  const wrong = (name: string) => new ImageError(`config of ${where}: ${name} has a wrong type`);
  for (const name of CONTAINER_STRINGS)
    if (value[name] !== undefined && typeof value[name] !== 'string') throw wrong(name);
  for (const name of CONTAINER_LISTS)
    if (value[name] !== undefined && !isStringArray(value[name])) throw wrong(name);
  for (const name of CONTAINER_OBJECTS)
    if (value[name] !== undefined && !isObject(value[name])) throw wrong(name);
  if (value.Labels !== undefined && !isStringRecord(value.Labels)) throw wrong('Labels');
}

const HISTORY_STRINGS = ['created', 'created_by', 'author', 'comment'];

/** The instructions that made an image, as it says itself. */
function parseHistory(value: unknown, where: string): JsonObject[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every(isObject))
    throw new ImageError(`config of ${where} has a history that is no list`);
  const entries = value.map(withoutNulls);
  for (const entry of entries) {
    const wrong = HISTORY_STRINGS.filter((name) => !isAbsentOr('string', entry[name]));
    if (!isAbsentOr('boolean', entry.empty_layer)) wrong.push('empty_layer');
    if (wrong.length === 0) continue;
    throw new ImageError(`config of ${where}: ${wrong[0]} of its history has a wrong type`);
  }
  return entries;
}

function isAbsentOr(type: 'string' | 'boolean', value: unknown): boolean {
  return value === undefined || typeof value === type;
}

/**
 * Reads an image config.
 * @param unnamed what it is for when it does not say so, as those that some tools make of files: as BuildKit, what was asked for
 * @throws ImageError
 */
export function parseConfig(
  bytes: Uint8Array,
  where: string,
  unnamed: Platform = hostPlatform(),
): ImageConfig {
  const value = withoutNulls(parseObject(bytes, `config of ${where}`));
  const { os, architecture, variant, rootfs } = value;
  const saysNothing = isNothing(os) && isNothing(architecture);
  if (!isObject(rootfs))
    throw new ImageError(
      saysNothing
        ? `config of ${where} has no os, architecture or rootfs: this is no image`
        : `config of ${where} has no rootfs`,
    );
  requirePlatformParts([os, architecture, variant], `config of ${where} has a platform`);
  for (const name of ['created', 'author'])
    if (!isAbsentOr('string', value[name]))
      throw new ImageError(`config of ${where}: ${name} has a wrong type`);
  const diffIds = rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === 'string' && isDigest(id)))
    throw new ImageError(`config of ${where} has no valid rootfs.diff_ids`);
  const history = parseHistory(value.history, where);
  const container = isObject(value.config) ? withoutNulls(value.config) : undefined;
  if (container !== undefined) checkContainerConfig(container, where);
  return {
    ...value,
    ...(isNothing(os) ? { os: unnamed.os } : {}),
    ...(isNothing(architecture) ? { architecture: unnamed.architecture } : {}),
    ...(saysNothing && unnamed.variant !== undefined ? { variant: unnamed.variant } : {}),
    ...(history === undefined ? {} : { history }),
    ...(container === undefined ? {} : { config: container }),
    rootfs: { type: 'layers', diff_ids: diffIds },
  } as unknown as ImageConfig;
}
