/** How cosign keeps signatures in a registry (SIGNATURE_SPEC.md, "Storage"; OCI 1.1 referrers). */
import { getDigest } from '../oci/blob-digest.js';
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.js';
import type { Descriptor, Digest, ImageIndex, ImageManifest } from '../oci/resolved-image.js';

const PAYLOAD_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
const SIGNATURE = 'dev.cosignproject.cosign/signature';

/** What a manifest with a subject is, that holds signatures: its config's media type. */
export const SIGNATURE_ARTIFACT = 'application/vnd.dev.cosign.artifact.sig.v1+json';

/** A signature as a layer of a manifest: nothing of it is known to be true. */
export interface StoredSignature {
  readonly payload: Descriptor;
  /** Base64. */
  readonly signature: string;
}

/** The tag that has the signatures of a manifest. */
export function signatureTag(digest: Digest): string {
  return `${referrersTag(digest)}.sig`;
}

/** The tag of what refers to a manifest, where a registry has no API for it (distribution-spec). */
export function referrersTag(digest: Digest): string {
  return digest.replace(':', '-');
}

/** The signatures that a manifest claims to have. */
export function storedSignatures({ layers }: ImageManifest): StoredSignature[] {
  return layers.flatMap((payload) => {
    const signature = payload.annotations?.[SIGNATURE];
    return payload.mediaType === PAYLOAD_TYPE && signature !== undefined
      ? [{ payload, signature }]
      : [];
  });
}

/** A blob that a manifest names. */
export interface SignatureBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

function blobOf(bytes: Uint8Array, mediaType: string): SignatureBlob {
  return { bytes, descriptor: { mediaType, digest: getDigest(bytes), size: bytes.length } };
}

/** A signature as it is to be kept. */
export function signatureLayer(payload: Uint8Array, signature: string): SignatureBlob {
  const { descriptor } = blobOf(payload, PAYLOAD_TYPE);
  return { bytes: payload, descriptor: { ...descriptor, annotations: { [SIGNATURE]: signature } } };
}

/** A manifest with all that it names and that has to be sent. */
export interface SignatureManifest {
  readonly config: SignatureBlob;
  readonly bytes: Buffer;
}

/** Signatures are no program of any platform; the layers are payloads as they are. */
function configOf(layers: readonly Descriptor[], mediaType: string): SignatureBlob {
  const config = {
    architecture: '',
    os: '',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  };
  return blobOf(Buffer.from(JSON.stringify(config)), mediaType);
}

/** The manifest below the signature tag, with one signature more than it had. */
export function withSignature(
  there: ImageManifest | undefined,
  layer: Descriptor,
): SignatureManifest {
  const layers = [...(there?.layers ?? []), layer];
  const config = configOf(layers, OCI_CONFIG);
  const fresh = { schemaVersion: 2, mediaType: OCI_MANIFEST };
  const manifest = { ...fresh, ...there, config: config.descriptor, layers };
  return { config, bytes: Buffer.from(JSON.stringify(manifest)) };
}

/** A manifest that refers to what it signs. */
export function referringManifest(
  { mediaType, digest, size }: Descriptor,
  layer: Descriptor,
): SignatureManifest {
  const config = configOf([layer], SIGNATURE_ARTIFACT);
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: SIGNATURE_ARTIFACT,
    config: config.descriptor,
    layers: [layer],
    subject: { mediaType, digest, size },
  };
  return { config, bytes: Buffer.from(JSON.stringify(manifest)) };
}

/** What refers to a manifest, with one more. */
export function withReferrer(there: ImageIndex | undefined, manifest: Descriptor): Buffer {
  const fresh = { schemaVersion: 2, mediaType: OCI_INDEX };
  const manifests = [
    ...(there?.manifests ?? []),
    { ...manifest, artifactType: SIGNATURE_ARTIFACT },
  ];
  return Buffer.from(JSON.stringify({ ...fresh, ...there, manifests }));
}
