/** Names of members and link targets, as places in the layer; whiteout names (image-spec layer.md). */
import { ImageError } from '../image-error.js';
import type { ByteString } from './entry.js';
import { display } from './entry.js';

export const WHITEOUT_PREFIX = '.wh.';
export const OPAQUE_NAME = '.wh..wh..opq';

/**
 * Splits a name into components; an absolute name counts from the layer's root.
 * @returns [] for the root itself
 * @throws ImageError for `..` and NUL, which no writer of layers produces
 */
export function components(name: ByteString): ByteString[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new ImageError(`the archive holds ${display(name)}, which leads out of the layer`);
  }
  if (name.includes('\0')) throw new ImageError('the archive holds a name with a NUL byte');
  return parts;
}

/**
 * The same for an archive that ADD unpacks: `..` takes the component before it away (moby, Untar).
 * @throws ImageError when the name leads out
 */
export function cleanComponents(name: ByteString): ByteString[] {
  const parts: ByteString[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined)
      throw new ImageError(
        `the archive holds ${display(name)}, which leads out of the destination`,
      );
  }
  if (name.includes('\0')) throw new ImageError('the archive holds a name with a NUL byte');
  return parts;
}

/** As a file it would be lost with the first push of the image. @throws ImageError */
export function refuseWhiteout(parts: readonly ByteString[]): void {
  if (!parts.some((part) => part.startsWith(WHITEOUT_PREFIX))) return;
  throw new ImageError(
    `the archive holds ${display(parts.join('/'))}, which in an image means that a file is removed`,
    { hint: 'rename it in the archive: names that start with .wh. are reserved in OCI layers' },
  );
}

/** What a member's name means in a layer. */
export type Meaning =
  | { readonly kind: 'entry' }
  /** Hides this name of the layers below. */
  | { readonly kind: 'whiteout'; readonly hidden: ByteString }
  | { readonly kind: 'opaque' }
  /** aufs's own bookkeeping, in layers made by Docker before 2016. */
  | { readonly kind: 'ignored' };

/** @throws ImageError for names that use the reserved prefix in any other way */
export function getMeaning(parts: readonly ByteString[]): Meaning {
  const at = parts.findIndex((part) => part.startsWith(WHITEOUT_PREFIX));
  if (at === -1) return { kind: 'entry' };
  const part = parts[at] as ByteString;
  const last = at === parts.length - 1;
  if (last && part === OPAQUE_NAME) return { kind: 'opaque' };
  if (part.startsWith('.wh..wh.')) return { kind: 'ignored' };
  const hidden = part.slice(WHITEOUT_PREFIX.length);
  if (!last || hidden === '' || hidden === '.' || hidden === '..') {
    throw new ImageError(`the archive holds ${display(parts.join('/'))}, which is no whiteout`, {
      hint: 'names that start with .wh. are reserved in OCI layers',
    });
  }
  return { kind: 'whiteout', hidden };
}
