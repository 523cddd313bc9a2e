/**
 * Private keys as `cosign generate-key-pair` writes them: PKCS#8 in a secretbox of NaCl
 * (XSalsa20-Poly1305), whose key scrypt makes of a password.
 */
import { createPrivateKey, type KeyObject, scryptSync } from 'node:crypto';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';

const PEM =
  /-----BEGIN ENCRYPTED (SIGSTORE|COSIGN) PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END ENCRYPTED \1 PRIVATE KEY-----/;

/** What cosign writes is far below; a file that asks for more wants this machine's memory. */
const MAX_SCRYPT = { N: 2 ** 20, r: 16, p: 8 };

interface Box {
  readonly kdf: {
    readonly name: string;
    readonly params: { readonly N: number; readonly r: number; readonly p: number };
    readonly salt: string;
  };
  readonly cipher: { readonly name: string; readonly nonce: string };
  readonly ciphertext: string;
}

/** Is this a private key in cosign's own form? */
export function isCosignKey(pem: string): boolean {
  return PEM.test(pem);
}

function openBox({ kdf, cipher, ciphertext }: Box, password: string): Uint8Array {
  if (kdf.name !== 'scrypt' || cipher.name !== 'nacl/secretbox')
    throw new Error(
      `it is encrypted with ${kdf.name} and ${cipher.name}, which wiac does not know`,
    );
  const { N, r, p } = kdf.params;
  const fits = N <= MAX_SCRYPT.N && r <= MAX_SCRYPT.r && p <= MAX_SCRYPT.p;
  if (!fits) throw new Error('its password takes more memory than any that cosign makes');
  const secret = scryptSync(password, Buffer.from(kdf.salt, 'base64'), 32, {
    ...{ N, r, p },
    maxmem: 256 * N * r,
  });
  try {
    return xsalsa20poly1305(secret, Buffer.from(cipher.nonce, 'base64')).decrypt(
      Buffer.from(ciphertext, 'base64'),
    );
  } catch {
    throw new Error('the password is wrong');
  }
}

/**
 * Opens a private key in cosign's form.
 * @throws Error that says what is wrong: no such key, or another password
 */
export function openCosignKey(pem: string, password: string): KeyObject {
  const [, , body = ''] = PEM.exec(pem) ?? [];
  let box: Box;
  try {
    box = JSON.parse(Buffer.from(body, 'base64').toString()) as Box;
  } catch {
    throw new Error('what is between BEGIN and END is damaged');
  }
  const der = Buffer.from(openBox(box, password));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}
