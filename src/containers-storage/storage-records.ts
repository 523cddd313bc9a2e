/** images.json and layers.json of a store of podman and buildah (github.com/containers/storage). */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { getMessage, ImageError } from '../oci/image-error.js';
import { readRegularFile } from '../util/regular-file.js';
import type { StorageRoot } from './roots.js';

/** The members of an image's record that wiac reads. */
export interface StorageImageRecord {
  readonly id: string;
  /** Of its manifest, `sha256:...`. */
  readonly digest: string | undefined;
  /** In full: `docker.io/library/debian:12`. */
  readonly names: readonly string[];
  /** The topmost layer; undefined for an image without files. */
  readonly layer: string | undefined;
  readonly root: StorageRoot;
}

/** The members of a layer's record that wiac reads. */
export interface StorageLayerRecord {
  readonly id: string;
  readonly parent: string | undefined;
  /** diffID. */
  readonly diffDigest: string | undefined;
  /** It was not written to its end. */
  readonly incomplete: boolean;
  readonly root: StorageRoot;
}

/** An id is a directory's name: a Dockerfile can name a store that a stranger made, whose ids could lead anywhere. */
function isId(id: unknown): id is string {
  return typeof id === 'string' && /^[0-9a-f]{64}$/.test(id);
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** @returns undefined when the file is not there */
function readList(path: string): Record<string, unknown>[] | undefined {
  let text: string;
  try {
    text = readRegularFile(path).toString();
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new ImageError(`cannot read ${path}: ${getMessage(cause)}`, { cause });
  }
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list.filter((item) => typeof item === 'object' && item);
  } catch {
    // Said below.
  }
  throw new ImageError(`${path} is damaged: it is no list`, {
    hint: 'podman system check, or podman system reset, may repair it',
  });
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The images of a directory; undefined when it is no store. @throws ImageError */
export function readImages(root: StorageRoot): StorageImageRecord[] | undefined {
  const list = readList(join(root.path, `${root.driver}-images/images.json`));
  return list?.flatMap(({ id, digest, names, layer }) => {
    const known = Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
    return isId(id) ? [{ id, digest: text(digest), names: known, layer: text(layer), root }] : [];
  });
}

/** The layers of a directory by their ids. @throws ImageError */
export function readLayers(root: StorageRoot): Map<string, StorageLayerRecord> {
  const list = readList(join(root.path, `${root.driver}-layers/layers.json`)) ?? [];
  return new Map(
    list.flatMap((layer): [string, StorageLayerRecord][] => {
      const { id, parent, flags } = layer;
      if (!isId(id)) return [];
      const incomplete =
        (flags as { incomplete?: unknown } | null | undefined)?.incomplete === true;
      const diffDigest = text(layer['diff-digest']);
      return [[id, { id, parent: text(parent), diffDigest, incomplete, root }]];
    }),
  );
}

/** A manifest or a config, which are kept beside the image's record. @throws ImageError */
export function readBigData({ id, root }: StorageImageRecord, key: string): Buffer {
  // Names that could be anything else than a file's are encoded.
  const file = /^[a-zA-Z0-9]+$/.test(key) ? key : `=${Buffer.from(key).toString('base64')}`;
  const path = join(root.path, `${root.driver}-images`, id, file);
  try {
    return readRegularFile(path);
  } catch (cause) {
    throw new ImageError(`the image ${id} in ${root.path} is damaged: ${getMessage(cause)}`, {
      cause,
      hint: 'pull or build it again with podman or buildah',
    });
  }
}

function layerParts({ id, root }: StorageLayerRecord): string[] {
  return root.driver === 'vfs' ? ['vfs', 'dir', id] : ['overlay', id, 'diff'];
}

/** Where the files of a layer are. */
export function layerDirectory(layer: StorageLayerRecord): string {
  return join(layer.root.path, ...layerParts(layer));
}

/** Is it there, and in the store itself? A link could show a step any directory of this machine. */
export function hasDirectory(layer: StorageLayerRecord): boolean {
  const parts = layerParts(layer);
  return parts.every((_, at) => {
    const path = join(layer.root.path, ...parts.slice(0, at + 1));
    return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  });
}

/**
 * Does fuse-overlayfs mount the layers? It marks what it removes in a way of its own.
 */
export function hasMountProgram(root: StorageRoot): boolean {
  try {
    return (
      readRegularFile(join(root.path, 'overlay/.has-mount-program')).toString().trim() === 'true'
    );
  } catch {
    return false;
  }
}
