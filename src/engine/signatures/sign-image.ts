/** Signs an image where it is: `wiac sign`. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { Readable } from 'node:stream';
import { ImageError } from '../../oci/image-error.js';
import { OCI_INDEX, OCI_MANIFEST } from '../../oci/media-types.js';
import { isIndex, parseManifest } from '../../oci/parse-manifest.js';
import { parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import { replaceManifest } from '../../oci/replace-manifest.js';
import type { BlobReader, RootManifest } from '../../oci/resolve.js';
import { checkJsonSize, MAX_DEPTH } from '../../oci/resolve.js';
import type { Descriptor, Digest, ImageSink } from '../../oci/resolved-image.js';
import { abortable } from '../../util/abort.js';
import type { Json } from '../../util/canonical-json.js';
import { canonicalJson } from '../../util/canonical-json.js';
import type { SignatureBlob, SignatureManifest } from '../../verify/signature-form.js';
import {
  referrersTag,
  referringManifest,
  signatureLayer,
  signatureTag,
  withReferrer,
  withSignature,
} from '../../verify/signature-form.js';
import { isSignedBy, signBytes } from '../../verify/signing-keys.js';
import { encodeClaims } from '../../verify/simple-signing.js';
import { openManifests } from '../images/open-manifest.js';
import { findSignatures, signatureManifest } from './find-signatures.js';
import type { SignaturePlace } from './signature-place.js';
import { openSignaturePlace, taggedReferrers } from './signature-place.js';

/** Every other signer wins once at most, as a rule. */
const ATTEMPTS = 20;

/** What is to be signed, and how. */
export interface SignRequest {
  /** In a registry, or `oci-layout://DIR[:NAME]`. */
  readonly reference: string;
  readonly key: KeyObject;
  /** Signed as well, for who verifies. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Also the manifests that an index has. */
  readonly recursive?: boolean | undefined;
  /** Where the signature goes: below cosign's tag (default), or as what refers to the image (OCI 1.1). */
  readonly form?: 'tag' | 'referrer' | undefined;
  /** What the payload calls the image; the repository by default. */
  readonly identity?: string | undefined;
  readonly registry?: RegistryOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One manifest that is signed now. */
export interface SignedManifest {
  readonly digest: Digest;
  /** The signature was there: same key, same claims. */
  readonly wasSigned: boolean;
}

function put(sink: ImageSink, { descriptor, bytes }: SignatureBlob): Promise<void> {
  const { mediaType, digest, size } = descriptor;
  return sink.putBlob({ mediaType, digest, size }, () => Readable.from([bytes]));
}

/**
 * Names a manifest that is made from what the name has, and again when another writer was faster.
 * @param make from what is there; undefined: nothing is to be done
 */
async function mergeBelow(
  place: SignaturePlace,
  tag: string,
  mediaType: string,
  make: (
    sink: ImageSink,
    there: RootManifest | undefined,
  ) => Promise<Buffer | undefined> | undefined,
): Promise<void> {
  const sink = place.sink(tag);
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const there = await place.tagged(tag);
      const bytes = await make(sink, there);
      if (bytes === undefined) return;
      const name = {
        ask: () => place.head(tag),
        put: async () => (await sink.putManifest(bytes, mediaType, 'root')).digest,
      };
      if (await replaceManifest(name, there?.descriptor.digest)) return;
    }
  } finally {
    await sink.close();
  }
  throw new ImageError(`${place.title}:${tag} is written by others all the time`, {
    reference: `${place.title}:${tag}`,
    hint: 'sign it again when they have ended',
  });
}

function addBelowTag(place: SignaturePlace, digest: Digest, layer: SignatureBlob): Promise<void> {
  const tag = signatureTag(digest);
  return mergeBelow(place, tag, OCI_MANIFEST, async (sink, found) => {
    const title = `${place.title}:${tag}`;
    const there = found && signatureManifest(found.bytes, found.descriptor.mediaType, title);
    const own = canonicalJson(layer.descriptor as unknown as Json);
    const isThere = (other: Descriptor) => canonicalJson(other as unknown as Json) === own;
    if (there?.layers.some(isThere)) return undefined;
    const made = withSignature(there, layer.descriptor);
    await put(sink, layer);
    await put(sink, made.config);
    return made.bytes;
  });
}

async function putReferring(
  sink: ImageSink,
  layer: SignatureBlob,
  made: SignatureManifest,
): Promise<Descriptor> {
  await put(sink, layer);
  await put(sink, made.config);
  return sink.putManifest(made.bytes, OCI_MANIFEST, 'child');
}

/** Where the registry lists nothing by itself, a tag has the list (distribution-spec, "Referrers Tag Schema"). */
async function addReferring(
  place: SignaturePlace,
  subject: Descriptor,
  layer: SignatureBlob,
): Promise<void> {
  const made = referringManifest(subject, layer.descriptor);
  const tag = referrersTag(subject.digest);
  if ((await place.referrers(subject.digest)) === undefined)
    return mergeBelow(place, tag, OCI_INDEX, async (sink) => {
      const manifest = await putReferring(sink, layer, made);
      const there = await taggedReferrers(place, subject.digest);
      const isThere = there?.index.manifests.some(({ digest }) => digest === manifest.digest);
      return isThere ? undefined : withReferrer(there?.index, manifest);
    });
  const sink = place.sink(tag);
  try {
    await putReferring(sink, layer, made);
  } finally {
    await sink.close();
  }
}

/** Has the owner of the key said the same before? */
async function isSigned(
  place: SignaturePlace,
  digest: Digest,
  payload: Uint8Array,
  key: KeyObject,
): Promise<boolean> {
  for await (const found of findSignatures(place, digest)) {
    if ('problem' in found || Buffer.compare(found.payload, payload) !== 0) continue;
    if (isSignedBy(payload, found.signature, key)) return true;
  }
  return false;
}

async function signManifest(
  place: SignaturePlace,
  subject: Descriptor,
  { key, annotations = {}, form = 'tag', identity = place.repository }: SignRequest,
): Promise<SignedManifest> {
  const { digest } = subject;
  const payload = encodeClaims(identity, digest, annotations);
  if (await isSigned(place, digest, payload, createPublicKey(key)))
    return { digest, wasSigned: true };
  const layer = signatureLayer(payload, signBytes(payload, key));
  if (form === 'tag') await addBelowTag(place, digest, layer);
  else await addReferring(place, subject, layer);
  return { digest, wasSigned: false };
}

/** A manifest, and those that it names when it is an index. @throws ImageError */
async function withChildren(
  reader: BlobReader,
  { descriptor, bytes }: RootManifest,
  depth = 0,
): Promise<Descriptor[]> {
  const manifest = parseManifest(bytes, descriptor.mediaType, reader.title);
  const own = { ...descriptor, mediaType: manifest.mediaType };
  if (!isIndex(manifest)) return [own];
  if (depth > MAX_DEPTH)
    throw new ImageError(`${reader.title} has more than ${MAX_DEPTH} indexes within each other`);
  const all: Descriptor[] = [own];
  for (const child of manifest.manifests) {
    checkJsonSize(child, `manifest of ${reader.title}`);
    const found = { descriptor: child, bytes: await reader.readManifest(child) };
    all.push(...(await withChildren(reader, found, depth + 1)));
  }
  return all;
}

async function sign(request: SignRequest): Promise<SignedManifest[]> {
  const { registry, recursive = false } = request;
  const reference = parseReference(request.reference);
  const place = openSignaturePlace(reference, registry);
  const source = openManifests(reference, registry);
  try {
    const root = await source.root();
    const { mediaType } = parseManifest(root.bytes, root.descriptor.mediaType, place.title);
    const subjects = recursive
      ? await withChildren(place.reader, root)
      : [{ ...root.descriptor, mediaType }];
    const signed: SignedManifest[] = [];
    const distinct = new Map(subjects.map((subject) => [subject.digest, subject]));
    for (const subject of distinct.values())
      signed.push(await signManifest(place, subject, request));
    return signed;
  } finally {
    await Promise.all([source.close(), place.close()]);
  }
}

/**
 * Signs what a reference names, as cosign does with a key. A signature that is there is not made again;
 * those of others stay.
 * @returns the manifests, the one of the reference first
 * @throws ImageError, UnsupportedError; the signal's reason
 */
export function signImage(request: SignRequest): Promise<SignedManifest[]> {
  const { signal = new AbortController().signal } = request;
  return abortable(signal, () => sign(request));
}
