/** Refuses images that must be signed and are not, before anything of them is used. */
import type { KeyObject } from 'node:crypto';
import { isDigest } from '../../oci/blob-digest.js';
import { isContainersStorage, parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { Digest, ResolvedImage } from '../../oci/resolved-image.js';
import { keepSignature, keptSignatures } from '../../store/images/kept-signatures.js';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { SignatureError } from '../../util/errors.js';
import { judgeSignature } from '../../verify/judge-signature.js';
import type { SignedPrefix } from '../../verify/signed-prefixes.js';
import { requiredKeys } from '../../verify/signed-prefixes.js';
import type { PlanImage } from '../images/plan-images.js';
import { findSignatures } from './find-signatures.js';
import type { SignaturePlace } from './signature-place.js';
import { openSignaturePlace } from './signature-place.js';
import { unsigned } from './verify-image.js';

/** What demands signatures, and where those that were seen are kept. */
export interface SignatureRules {
  readonly prefixes: readonly SignedPrefix[];
  /** Undefined: none is kept. */
  readonly store?: Store | undefined;
  readonly registry?: RegistryOptions | undefined;
}

/** The index that a reference named, and the manifest in it: who signed either signed the image. */
function recordDigests({ index, manifest }: ImageRecord): string[] {
  return [...new Set([index, manifest].flatMap((digest) => digest ?? []))];
}

function resolvedDigests({ rootDescriptor, manifestDescriptor }: ResolvedImage): string[] {
  return [...new Set([rootDescriptor.digest, manifestDescriptor.digest])];
}

function isKept(store: Store, digests: readonly Digest[], keys: readonly KeyObject[]): boolean {
  const kept = digests.flatMap((digest) => keptSignatures(store, digest));
  return kept.some((signed) => !('problem' in judgeSignature(signed, { keys, digests })));
}

/** @returns what is wrong with the signatures that are there; undefined when one counts */
async function lookFor(
  place: SignaturePlace,
  digest: Digest,
  keys: readonly KeyObject[],
  store: Store | undefined,
): Promise<readonly string[] | undefined> {
  const problems: string[] = [];
  for await (const found of findSignatures(place, digest)) {
    const verdict = 'problem' in found ? found : judgeSignature(found, { keys, digests: [digest] });
    if ('problem' in verdict) problems.push(verdict.problem);
    else {
      if (store && !('problem' in found)) await keepSignature(store, digest, found);
      return undefined;
    }
  }
  return problems;
}

async function requireSignature(
  reference: string,
  found: readonly string[],
  { prefixes, store, registry }: SignatureRules,
): Promise<void> {
  if (isContainersStorage(reference)) return;
  const parsed = parseReference(reference);
  const keys = parsed.kind === 'registry' ? requiredKeys(prefixes, parsed) : undefined;
  if (keys === undefined) return;
  const digests = found.filter(isDigest);
  const [first] = digests;
  if (first === undefined)
    throw new SignatureError(
      `${reference} must be signed, and the image of that name was made on this machine`,
      { hint: '--pull=always takes the one of the registry; wiac rmi removes this one' },
    );
  if (store && isKept(store, digests, keys)) return;
  const place = openSignaturePlace(parsed, registry);
  const problems: string[] = [];
  try {
    for (const digest of digests) {
      const wrong = await lookFor(place, digest, keys, store);
      if (wrong === undefined) return;
      problems.push(...wrong);
    }
  } finally {
    await place.close();
  }
  const hint = 'a rule demands it (--require-signed, or images.requireSigned in the config file)';
  throw unsigned(reference, first, problems, hint);
}

/**
 * An image of the store.
 * @param reference by which it is asked for: that decides which rule is about it
 * @throws SignatureError, ImageError when its registry does not answer
 */
export function requireSignedRecord(
  reference: string,
  image: ImageRecord,
  rules: SignatureRules,
): Promise<void> {
  return requireSignature(reference, recordDigests(image), rules);
}

/** An image of a registry, of which only manifest and config were read. @throws as requireSignedRecord */
export function requireSignedImage(
  reference: string,
  image: ResolvedImage,
  rules: SignatureRules,
): Promise<void> {
  return requireSignature(reference, resolvedDigests(image), rules);
}

/** An image that a plan is based on. @throws as requireSignedRecord */
export async function requireSigned(
  reference: string,
  image: PlanImage,
  rules: SignatureRules,
): Promise<void> {
  // What other programs keep is not from a registry.
  if ('inPlace' in image) return;
  if ('stored' in image) await requireSignedRecord(reference, image.stored, rules);
  else await requireSignedImage(reference, image, rules);
}
