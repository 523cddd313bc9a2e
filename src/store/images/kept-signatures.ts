/**
 * Signatures of images that were seen: what was signed, and the signature itself. A reader checks them
 * again with its own key, so that nothing here has to be believed.
 */
import type { Indexed } from '../index/tables.js';
import { getTables } from '../index/tables.js';
import type { KeptSignature } from '../records.js';

/** Of one manifest; more are not worth to be kept. */
const MAX_KEPT = 8;

/** Of a manifest or an index, newest first. @param digest `sha256:...` */
export function keptSignatures(store: Indexed, digest: string): readonly KeptSignature[] {
  return getTables(store).signatures.get(digest) ?? [];
}

/** Keeps a signature beside those that are there. */
export async function keepSignature(
  store: Indexed,
  digest: string,
  kept: KeptSignature,
): Promise<void> {
  const { signatures } = getTables(store);
  const others = keptSignatures(store, digest).filter(
    ({ signature }) => signature !== kept.signature,
  );
  await signatures.put(digest, [kept, ...others].slice(0, MAX_KEPT));
}
