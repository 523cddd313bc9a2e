/** Signatures of entry lists: ed25519 (RFC 8032) over their bytes. */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { ImageError } from '../oci/image-error.js';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { readNamedFile } from '../util/regular-file.js';

const HOW =
  'make a pair with: openssl genpkey -algorithm ed25519 -out KEY, openssl pkey -in KEY -pubout -out PUBLIC';

function readKey(file: string, option: string, parse: (pem: Buffer) => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = parse(readNamedFile(file));
  } catch (cause) {
    const { message } = cause as Error;
    throw new UsageError(`${option}${file}: ${message}`, { hint: hintOf(cause) ?? HOW, cause });
  }
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new UsageError(`${option}${file} is a key of type ${key.asymmetricKeyType}`, {
    hint: HOW,
  });
}

/** Reads a private key (PEM). @param option that names it, as it is written @throws UsageError */
export function readSignKey(file: string, option = 'sign-key='): KeyObject {
  return readKey(file, option, createPrivateKey);
}

/** Reads a public key (PEM). @param option that names it, as it is written @throws UsageError */
export function readTrustKey(file: string, option = 'trust-key='): KeyObject {
  return readKey(file, option, createPublicKey);
}

/** @returns the signature in base64 */
export function signList(bytes: Uint8Array, key: KeyObject): string {
  return sign(null, bytes, key).toString('base64');
}

/**
 * Checks who made a list.
 * @param trusted one of these must have signed it; none: the signature is not checked
 * @throws ImageError
 */
export function checkSignature(
  bytes: Uint8Array,
  signature: string | undefined,
  trusted: readonly KeyObject[],
  title: string,
): void {
  if (trusted.length === 0) return;
  if (signature === undefined)
    throw new ImageError(`the cache entries of ${title} are not signed`, {
      hint: 'write the cache with sign-key=FILE, or leave trust-key out',
    });
  const made = Buffer.from(signature, 'base64');
  if (trusted.some((key) => verify(null, bytes, key, made))) return;
  throw new ImageError(`the cache entries of ${title} are not signed with a key that is trusted`, {
    hint: 'another key signed it, or its content was changed: find out who wrote it before you use it',
  });
}
