/** A cache inside of an image: a member of its config (image-spec config.md allows others' members). */
import type { KeyObject } from 'node:crypto';
import { INLINE_MEMBER } from '../oci/config-blob.js';
import type { ImageConfig } from '../oci/resolved-image.js';
import type { InlineCache } from '../store/records.js';
import { type EntryList, encodeList } from './entry-list.js';
import { signList } from './signature.js';

/** Makes the member. Blobs are left out: the image's manifest has them, also after a copy. */
export function makeInline(list: EntryList, signKey: KeyObject | undefined): InlineCache {
  const layers = list.layers.map(({ blob: _, ...layer }) => layer);
  const bytes = encodeList({ ...list, layers });
  const entries = bytes.toString('base64');
  return signKey === undefined ? { entries } : { entries, signature: signList(bytes, signKey) };
}

/** @returns undefined when the image has no cache inside */
export function parseInline(
  config: ImageConfig,
): { readonly bytes: Buffer; readonly signature: string | undefined } | undefined {
  const member = (config as unknown as Readonly<Record<string, unknown>>)[INLINE_MEMBER];
  if (typeof member !== 'object' || member === null) return undefined;
  const { entries, signature } = member as { entries?: unknown; signature?: unknown };
  if (typeof entries !== 'string') return undefined;
  return {
    bytes: Buffer.from(entries, 'base64'),
    signature: typeof signature === 'string' ? signature : undefined,
  };
}
