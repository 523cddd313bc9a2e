/**
 * The keys that images are signed with: ed25519 (RFC 8032) and ECDSA P-256 with SHA-256, as cosign's
 * SIGNATURE_SPEC.md asks for. Which one it is says the key, never what was signed.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { UsageError } from '../util/errors.js';
import { isCosignKey, openCosignKey } from './cosign-key.js';

const HOW =
  'cosign generate-key-pair makes a pair, or: openssl genpkey -algorithm ed25519 -out KEY; openssl pkey -in KEY -pubout -out PUBLIC';

/** SHA-256 for ECDSA; ed25519 hashes by itself. */
function hashOf({ asymmetricKeyType }: KeyObject): 'sha256' | null {
  return asymmetricKeyType === 'ed25519' ? null : 'sha256';
}

function checkKind(key: KeyObject, title: string): KeyObject {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519' || (type === 'ec' && details?.namedCurve === 'prime256v1')) return key;
  const kind = type === 'ec' ? `on the curve ${details?.namedCurve}` : `of type ${type}`;
  throw new UsageError(`${title} is a key ${kind}: wiac takes ed25519 and ECDSA P-256`, {
    hint: HOW,
  });
}

function parse(title: string, action: () => KeyObject): KeyObject {
  try {
    return checkKind(action(), title);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`${title}: ${(cause as Error).message}`, { hint: HOW, cause });
  }
}

/**
 * Reads a public key: PEM, SubjectPublicKeyInfo.
 * @param title where it comes from, for messages
 * @throws UsageError
 */
export function parsePublicKey(pem: string, title: string): KeyObject {
  if (/PRIVATE KEY-----/.test(pem))
    throw new UsageError(`${title} is a private key: give the public one of the pair`, {
      hint: 'openssl pkey -in KEY -pubout -out PUBLIC, or the file cosign.pub beside cosign.key',
    });
  return parse(title, () => createPublicKey(pem));
}

/**
 * Reads a private key: PEM, PKCS#8 or SEC 1, or cosign's own form.
 * @param password asked for when the key is encrypted
 * @throws UsageError
 */
export function parsePrivateKey(
  pem: string,
  title: string,
  password: () => string | undefined,
): KeyObject {
  if (/BEGIN PUBLIC KEY-----/.test(pem))
    throw new UsageError(`${title} is a public key: only the private one of the pair signs`, {
      hint: HOW,
    });
  const isCosigns = isCosignKey(pem);
  if (!isCosigns && !/ENCRYPTED/.test(pem)) return parse(title, () => createPrivateKey(pem));
  const passphrase = password();
  if (passphrase === undefined)
    throw new UsageError(`${title} is encrypted, and $COSIGN_PASSWORD is not set`, {
      hint: 'set it for this command; COSIGN_PASSWORD= is the empty password',
    });
  return parse(title, () =>
    isCosigns ? openCosignKey(pem, passphrase) : createPrivateKey({ key: pem, passphrase }),
  );
}

/** @returns the signature in base64; that of ECDSA is DER */
export function signBytes(bytes: Uint8Array, key: KeyObject): string {
  return sign(hashOf(key), bytes, key).toString('base64');
}

/**
 * Did the owner of a key sign these bytes?
 * @param signature base64, as RFC 4648 has it: what only some readers understand is none
 */
export function isSignedBy(bytes: Uint8Array, signature: string, key: KeyObject): boolean {
  const made = Buffer.from(signature, 'base64');
  if (made.length === 0 || made.toString('base64') !== signature) return false;
  return verify(hashOf(key), bytes, key, made);
}
