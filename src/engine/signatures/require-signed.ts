/** Refuses images that must be signed and are not, before anything of them is used. */
import type { KeyObject } from 'node:crypto';
import { isDigest } from '../../oci/blob-digest.js';
import { isIndex, parseManifest } from '../../oci/parse-manifest.js';
import type { RegistryReference } from '../../oci/reference.js';
import { isContainersStorage, parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { Digest, ResolvedImage } from '../../oci/resolved-image.js';
import { idStart, knownImageId } from '../../store/images/image-ids.js';
import { keepSignature, keptSignatures } from '../../store/images/kept-signatures.js';
import { findNamedImage, getNames } from '../../store/images/store-images.js';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { SignatureError } from '../../util/errors.js';
import type { SignedBytes } from '../../verify/judge-signature.js';
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
  /** An index that may list the image and be what was signed: a claim, which is looked into. */
  readonly index?: string | undefined;
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
  return kept.some((signed) => {
    const all = [...digests, ...(signed.index === undefined ? [] : [signed.index as Digest])];
    return !('problem' in judgeSignature(signed, { keys, digests: all }));
  });
}

/** @returns what is wrong with the signatures that are there; undefined when one counts */
async function lookFor(
  place: SignaturePlace,
  digest: Digest,
  keys: readonly KeyObject[],
  keep: (signed: SignedBytes) => Promise<void>,
): Promise<readonly string[] | undefined> {
  const problems: string[] = [];
  for await (const found of findSignatures(place, digest)) {
    const verdict = 'problem' in found ? found : judgeSignature(found, { keys, digests: [digest] });
    if ('problem' in verdict) problems.push(verdict.problem);
    else {
      if (!('problem' in found)) await keep(found);
      return undefined;
    }
  }
  return problems;
}

/**
 * The indexes that list one of the manifests: a lock file, or the store, may know an image by its own digest
 * alone, and its signer has signed the index.
 */
async function* indexesOf(
  place: SignaturePlace,
  digests: readonly Digest[],
  names: readonly (string | undefined)[],
): AsyncGenerator<Digest> {
  const seen = new Set<string>(digests);
  for (const name of names) {
    const found = name === undefined ? undefined : await place.tagged(name);
    if (!found || seen.has(found.descriptor.digest)) continue;
    seen.add(found.descriptor.digest);
    const index = parseManifest(found.bytes, found.descriptor.mediaType, place.title);
    if (isIndex(index) && index.manifests.some(({ digest }) => digests.includes(digest)))
      yield found.descriptor.digest;
  }
}

async function requireSignature(
  reference: string,
  found: readonly string[],
  { prefixes, store, registry, index }: SignatureRules,
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
      undefined,
      { hint: '--pull=always takes the one of the registry; wiac rmi removes this one' },
    );
  if (store && isKept(store, digests, keys)) return;
  const place = openSignaturePlace(parsed, registry);
  const problems: string[] = [];
  try {
    for (const digest of digests) {
      const keep = async (signed: SignedBytes) => {
        if (store) await keepSignature(store, digest, signed);
      };
      const wrong = await lookFor(place, digest, keys, keep);
      if (wrong === undefined) return;
      problems.push(...wrong);
    }
    const { tag, digest: named } = parsed as RegistryReference;
    for await (const digest of indexesOf(place, digests, [index, named ?? tag])) {
      const keep = async (signed: SignedBytes) => {
        if (store) await keepSignature(store, first, { ...signed, index: digest });
      };
      const wrong = await lookFor(place, digest, keys, keep);
      if (wrong === undefined) return;
      problems.push(...wrong);
    }
  } finally {
    await place.close();
  }
  const hint = 'a rule demands it (--require-signed, or images.requireSigned in the config file)';
  throw unsigned(reference, first, problems, hint);
}

/** Is it not by a name that an image of the store is asked for, but by its id or the digest of its manifest? */
function isById(store: Store, reference: string, image: ImageRecord): boolean {
  const start = idStart(reference);
  if (start === undefined || findNamedImage(store, reference) !== undefined) return false;
  const ids = [knownImageId(store, image), ...recordDigests(image)];
  return ids.some((id) => id?.startsWith(start));
}

/**
 * An image of the store.
 * @param reference by which it is asked for: that decides which rule is about it. An id stands for all names that
 *   the image has
 * @throws SignatureError, ImageError when its registry does not answer
 */
export async function requireSignedRecord(
  reference: string,
  image: ImageRecord,
  rules: SignatureRules,
): Promise<void> {
  const { store } = rules;
  const names = store && isById(store, reference, image) ? getNames(store, image.id) : [reference];
  for (const name of names) await requireSignature(name, recordDigests(image), rules);
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
