/** Reads the signatures that are kept beside an image. Anybody may have put them there: all is bounded. */
import { ImageError } from '../../oci/image-error.js';
import { isIndex, parseManifest } from '../../oci/parse-manifest.js';
import { checkJsonSize, collect } from '../../oci/resolve.js';
import type { Descriptor, Digest, ImageManifest } from '../../oci/resolved-image.js';
import { WiacError } from '../../util/errors.js';
import type { SignedBytes } from '../../verify/judge-signature.js';
import type { StoredSignature } from '../../verify/signature-form.js';
import { SIGNATURE_ARTIFACT, signatureTag, storedSignatures } from '../../verify/signature-form.js';
import type { SignaturePlace } from './signature-place.js';
import { taggedReferrers } from './signature-place.js';

/** Signatures of one manifest that are looked at, as with cosign. */
const MAX_SIGNATURES = 1000;
/** Manifests that refer to one, and that are read. */
const MAX_REFERRERS = 100;
/** Bytes: some hundred are usual. */
const MAX_PAYLOAD = 1 << 20;

/** A signature that was found, or what was found in the place of one. */
export type FoundSignature = SignedBytes | { readonly problem: string };

async function readPayload(
  { reader }: SignaturePlace,
  { payload, signature }: StoredSignature,
): Promise<FoundSignature> {
  if (payload.size > MAX_PAYLOAD)
    return { problem: `its payload is larger than ${MAX_PAYLOAD} bytes` };
  try {
    const stream = await reader.openBlob(payload);
    const bytes = await collect(stream, MAX_PAYLOAD, `payload ${payload.digest}`);
    return { payload: bytes, signature };
  } catch (error) {
    if (!(error instanceof WiacError)) throw error;
    return { problem: error.message };
  }
}

/** @throws ImageError for what holds no signatures */
export function signatureManifest(
  bytes: Uint8Array,
  mediaType: string,
  title: string,
): ImageManifest {
  const manifest = parseManifest(bytes, mediaType, title);
  if (!isIndex(manifest)) return manifest;
  throw new ImageError(`${title} is an index, and no manifest with signatures`, {
    reference: title,
  });
}

async function referringManifests(place: SignaturePlace, digest: Digest): Promise<Descriptor[]> {
  const listed = await place.referrers(digest);
  if (listed) return listed;
  const tagged = (await taggedReferrers(place, digest))?.index.manifests ?? [];
  return tagged.filter(({ artifactType }) => artifactType === SIGNATURE_ARTIFACT);
}

type Found = StoredSignature | { readonly problem: string };

async function orProblem(read: () => Promise<readonly Found[]>): Promise<readonly Found[]> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof WiacError)) throw error;
    return [{ problem: error.message }];
  }
}

async function* referring(place: SignaturePlace, digest: Digest): AsyncGenerator<Found> {
  const listed = await referringManifests(place, digest);
  for (const descriptor of listed.slice(0, MAX_REFERRERS)) {
    const title = `${place.title}@${descriptor.digest}`;
    yield* await orProblem(async () => {
      checkJsonSize(descriptor, title);
      const bytes = await place.reader.readManifest(descriptor);
      return storedSignatures(signatureManifest(bytes, descriptor.mediaType, title));
    });
  }
  if (listed.length > MAX_REFERRERS)
    yield {
      problem: `${listed.length} manifests refer to it, of which wiac reads ${MAX_REFERRERS}`,
    };
}

async function* stored(place: SignaturePlace, digest: Digest): AsyncGenerator<Found> {
  const tag = signatureTag(digest);
  const tagged = await place.tagged(tag);
  if (tagged)
    yield* await orProblem(async () => {
      const { bytes, descriptor } = tagged;
      const title = `${place.title}:${tag}`;
      return storedSignatures(signatureManifest(bytes, descriptor.mediaType, title));
    });
  try {
    yield* referring(place, digest);
  } catch (error) {
    // What the tag has counts all the same.
    if (!tagged || !(error instanceof WiacError)) throw error;
    yield { problem: error.message };
  }
}

/**
 * The signatures of a manifest, those of the tag before those that refer to it. What comes later is not
 * asked for before it is wanted.
 * @throws ImageError when the place does not answer
 */
export async function* findSignatures(
  place: SignaturePlace,
  digest: Digest,
): AsyncGenerator<FoundSignature> {
  let seen = 0;
  let last: { readonly digest: Digest; readonly read: FoundSignature } | undefined;
  for await (const found of stored(place, digest)) {
    if ('problem' in found) {
      yield found;
      continue;
    }
    seen += 1;
    if (seen > MAX_SIGNATURES) {
      yield { problem: `there are more than ${MAX_SIGNATURES}, which wiac does not read` };
      return;
    }
    const { digest: wanted } = found.payload;
    // Several signers of one image sign the same bytes.
    const read = last?.digest === wanted ? last.read : await readPayload(place, found);
    last = { digest: wanted, read };
    yield 'problem' in read ? read : { ...read, signature: found.signature };
  }
}
