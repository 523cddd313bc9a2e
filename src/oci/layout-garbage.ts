/** Blobs of a layout that no manifest names any more. */
import { lstatSync } from 'node:fs';
import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { LayoutFiles } from './layout-files.js';
import { blobPath, readLayoutIndex } from './layout-files.js';
import { isIndex, MAX_JSON_BYTES, parseManifest } from './parse-manifest.js';
import { collect } from './resolve.js';
import type { Descriptor, Digest } from './resolved-image.js';

const HEX = /^[0-9a-f]{64}$/;

/** A job that writes puts blobs first, and names them last. ms */
const YOUNG_MS = 24 * 60 * 60 * 1000;

/**
 * Are the blobs of a layout in itself? Links could lead to those of another layout, or of a store, and nothing may be
 * removed there.
 */
export function hasOwnBlobs(directory: string): boolean {
  return ['blobs', 'blobs/sha256', 'blobs/sha512'].every(
    (path) => lstatSync(join(directory, path), { throwIfNoEntry: false })?.isDirectory() ?? true,
  );
}

/** Digests that can be reached from the index. A manifest that is not there, or is none, names nothing. */
async function reachable(files: LayoutFiles): Promise<Set<string>> {
  const seen = new Set<string>();
  const { index } = await readLayoutIndex(files);
  const waiting: Descriptor[] = [...index.manifests];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (seen.has(next.digest)) continue;
    seen.add(next.digest);
    const found = await files.open(blobPath(next.digest as Digest));
    if (!found) continue;
    const bytes = await collect(found.stream, MAX_JSON_BYTES, next.digest);
    const manifest = parseManifest(bytes, next.mediaType, files.title);
    if (isIndex(manifest)) waiting.push(...manifest.manifests);
    else for (const { digest } of [manifest.config, ...manifest.layers]) seen.add(digest);
  }
  return seen;
}

/**
 * Removes blobs that nothing names, unless they came within the last day.
 * @param directory of the layout
 * @param now ms since the epoch
 * @returns bytes of what was removed
 * @throws ImageError when the layout can't be read: nothing is removed then
 */
export async function removeGarbage(
  directory: string,
  files: LayoutFiles,
  now: number,
): Promise<number> {
  if (!hasOwnBlobs(directory)) return 0;
  const named = await reachable(files);
  const blobs = join(directory, 'blobs/sha256');
  let freed = 0;
  for (const name of await readdir(blobs)) {
    if (!HEX.test(name) || named.has(`sha256:${name}`)) continue;
    const path = join(blobs, name);
    const { size, mtimeMs } = await lstat(path);
    if (now - mtimeMs < YOUNG_MS) continue;
    await unlink(path);
    freed += size;
  }
  return freed;
}
