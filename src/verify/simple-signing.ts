/**
 * What is signed of an image: the simple signing payload (containers-signature(5), "JSON data
 * format") with cosign's meaning (SIGNATURE_SPEC.md, "Simple Signing").
 */
import type { Digest } from '../oci/resolved-image.js';
import type { Json } from '../util/canonical-json.js';
import { canonicalJson } from '../util/canonical-json.js';

const TYPE = 'cosign container image signature';

/** The members that wiac looks at; all of them were signed. */
export interface SignedClaims {
  /** The repository that the signer gave it, without a tag. */
  readonly dockerReference: string;
  readonly digest: string;
  /** Of the signer's own choice (`-a`). */
  readonly optional: Readonly<Record<string, Json>>;
  /** All of it as it was read. */
  readonly payload: Json;
}

/** The bytes to be signed: the same for the same image, name and annotations. */
export function encodeClaims(
  dockerReference: string,
  digest: Digest,
  annotations: Readonly<Record<string, string>>,
): Buffer {
  const optional = Object.keys(annotations).length === 0 ? null : annotations;
  const critical = {
    identity: { 'docker-reference': dockerReference },
    image: { 'docker-manifest-digest': digest },
    type: TYPE,
  };
  return Buffer.from(canonicalJson({ critical, optional }));
}

type Members = Readonly<Record<string, Json>>;

function members(value: Json | undefined): Members | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Members)
    : undefined;
}

function countMembers(value: Json | undefined): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value).reduce<number>((sum, item) => sum + countMembers(item), 0);
  return Array.isArray(value) ? inside : inside + Object.keys(value).length;
}

/** Has an object of a JSON text two members of one name? Readers differ in which of them counts. */
function hasTwins(text: string, value: Json): boolean {
  // All strings, one after the other: what begins at the end of one is none.
  const strings = text.match(/"(?:[^"\\]|\\.)*"(?:\s*:)?/g) ?? [];
  return strings.filter((each) => each.endsWith(':')).length !== countMembers(value);
}

/** Why a payload is none. */
export type ClaimsProblem = { readonly problem: string };

/** Reads a payload whose signature is known to be good. */
export function parseClaims(bytes: Uint8Array): SignedClaims | ClaimsProblem {
  let payload: Json;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    payload = JSON.parse(text) as Json;
  } catch {
    return { problem: 'its payload is not JSON' };
  }
  if (hasTwins(text, payload)) return { problem: 'its payload has two members of one name' };
  const { critical, optional } = members(payload) ?? {};
  const { identity, image, type } = members(critical) ?? {};
  const { 'docker-reference': dockerReference } = members(identity) ?? {};
  const { 'docker-manifest-digest': digest } = members(image) ?? {};
  if (type !== TYPE) return { problem: `its payload is not of the type "${TYPE}"` };
  if (typeof digest !== 'string' || typeof dockerReference !== 'string')
    return { problem: 'its payload names no image' };
  return { dockerReference, digest, optional: members(optional) ?? {}, payload };
}
