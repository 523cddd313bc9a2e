/** Is a signature that was found one that counts? Pure: bytes and keys in, a verdict out. */
import type { KeyObject } from 'node:crypto';
import type { Digest } from '../oci/resolved-image.js';
import { isSignedBy } from './signing-keys.js';
import type { SignedClaims } from './simple-signing.js';
import { parseClaims } from './simple-signing.js';

/** What a signature has to say, and by whom. */
export interface SignatureDemand {
  /** One of them must have made it. */
  readonly keys: readonly KeyObject[];
  /** One of them must have been signed: a manifest, or the index that has it. */
  readonly digests: readonly Digest[];
  /** What the signer must have written beside it (`-a`). */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The name that the signer must have given the image (`docker-reference`); undefined: any, as with cosign. */
  readonly repository?: string | undefined;
}

/** Bytes that may have been signed. */
export interface SignedBytes {
  readonly payload: Uint8Array;
  /** Base64. */
  readonly signature: string;
}

/** Nothing of a payload is looked at before its signature is known to be good. */
export function judgeSignature(
  { payload, signature }: SignedBytes,
  { keys, digests, annotations = {}, repository }: SignatureDemand,
): SignedClaims | { readonly problem: string } {
  if (!keys.some((key) => isSignedBy(payload, signature, key)))
    return { problem: 'it is damaged, or another key made it' };
  const claims = parseClaims(payload);
  if ('problem' in claims) return claims;
  const { digest, dockerReference, optional } = claims;
  if (!digests.some((wanted) => wanted === digest))
    return { problem: `it is of another image, ${digest}` };
  if (repository !== undefined && dockerReference !== repository)
    return { problem: `it is of the name ${dockerReference}, and not of ${repository}` };
  for (const [name, value] of Object.entries(annotations)) {
    const found = Object.hasOwn(optional, name) ? optional[name] : undefined;
    if (found !== value)
      return {
        problem: `its annotation ${name} is ${found === undefined ? 'missing' : JSON.stringify(found)}, and not ${JSON.stringify(value)}`,
      };
  }
  return claims;
}
