/**
 * Signatures as cosign's SIGNATURE_SPEC.md describes them, made by hand: nothing here is of src/, so that
 * what wiac writes and reads is held against the specification and not against itself.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, scryptSync, sign } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import type { Descriptor, MemoryRegistry } from './memory-registry.js';

export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const SIGNATURE_ARTIFACT = 'application/vnd.dev.cosign.artifact.sig.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** A pair of keys with the PEM files that openssl and cosign would write. */
export interface Pair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly privatePem: string;
  readonly publicPem: string;
}

export function newPair(kind: 'ed25519' | 'P-256' | 'P-384' = 'P-256'): Pair {
  const { privateKey, publicKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: kind });
  return {
    privateKey,
    publicKey,
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** The payload, with the white space of the specification's example. */
export function payloadText(digest: string, reference = 'testing/manifest', optional = 'null') {
  return `{
  "critical": {
    "identity": {"docker-reference": "${reference}"},
    "image": {"docker-manifest-digest": "${digest}"},
    "type": "cosign container image signature"
  },
  "optional": ${optional}
}`;
}

/** Base64, as the annotation has it. */
export function signText(text: string | Uint8Array, { privateKey }: Pair): string {
  const hash = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return sign(hash, Buffer.from(text), privateKey).toString('base64');
}

/** A layer of a manifest with signatures. */
export type Layer = Descriptor & { readonly annotations?: Readonly<Record<string, string>> };

/** Puts a payload into a registry; the layer that stands for it and its signature. */
export function layerFor(
  registry: MemoryRegistry,
  text: string | Uint8Array,
  signature: string,
): Layer {
  const blob = registry.blob(Buffer.from(text), SIMPLE_SIGNING);
  return { ...blob, annotations: { 'dev.cosignproject.cosign/signature': signature } };
}

/** Puts a manifest with signatures below the tag of an image. */
export function putSignatures(
  registry: MemoryRegistry,
  repository: string,
  digest: string,
  layers: readonly Layer[],
): Descriptor {
  const config = registry.blob(Buffer.from('{}'), 'application/vnd.oci.image.config.v1+json');
  const tag = `${digest.replace(':', '-')}.sig`;
  const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers };
  return registry.manifest(repository, tag, manifest);
}

/** Puts a manifest with signatures that refers to an image (cosign's OCI 1.1 mode). */
export function putReferring(
  registry: MemoryRegistry,
  repository: string,
  subject: Descriptor,
  layers: readonly Layer[],
  artifactType = SIGNATURE_ARTIFACT,
): Descriptor {
  const config = registry.blob(Buffer.from('{}'), artifactType);
  const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers, subject };
  return registry.manifest(repository, undefined, manifest);
}

/** An image of one layer, or of none. @param layer a tar archive, not compressed */
export function putImage(
  registry: MemoryRegistry,
  repository: string,
  tag: string,
  layer?: Buffer,
): Descriptor {
  const layers = layer ? [registry.blob(layer, 'application/vnd.oci.image.layer.v1.tar')] : [];
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  const value = { os: 'linux', architecture: 'amd64', rootfs, config: { Labels: { tag } } };
  const config = registry.blob(
    Buffer.from(JSON.stringify(value)),
    'application/vnd.oci.image.config.v1+json',
  );
  const manifest = { schemaVersion: 2, mediaType: MANIFEST, config, layers };
  return registry.manifest(repository, tag, manifest);
}

/** Signs an image by hand, below its tag. */
export function signByHand(
  registry: MemoryRegistry,
  repository: string,
  { digest }: Descriptor,
  by: Pair,
): void {
  const text = payloadText(digest);
  putSignatures(registry, repository, digest, [layerFor(registry, text, signText(text, by))]);
}

/** What `cosign generate-key-pair` writes (go-securesystemslib, encrypted). */
export function cosignKey({ privateKey }: Pair, password: string, label = 'SIGSTORE'): string {
  const [salt, nonce] = [randomBytes(32), randomBytes(24)];
  const params = { N: 32768, r: 8, p: 1 };
  const secret = scryptSync(password, salt, 32, { ...params, maxmem: 128 << 20 });
  const der = privateKey.export({ type: 'pkcs8', format: 'der' });
  const box = {
    kdf: { name: 'scrypt', params, salt: salt.toString('base64') },
    cipher: { name: 'nacl/secretbox', nonce: nonce.toString('base64') },
    ciphertext: Buffer.from(xsalsa20poly1305(secret, nonce).encrypt(der)).toString('base64'),
  };
  const body = Buffer.from(JSON.stringify(box)).toString('base64').replace(/.{64}/g, '$&\n');
  const name = `ENCRYPTED ${label} PRIVATE KEY`;
  return `-----BEGIN ${name}-----\n${body}\n-----END ${name}-----\n`;
}
