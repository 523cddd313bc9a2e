/** The keys that --key and --require-signed name: files, or variables of the environment as with cosign. */
import type { KeyObject } from 'node:crypto';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { readNamedFile } from '../util/regular-file.js';
import { parsePrivateKey, parsePublicKey } from '../verify/signing-keys.js';

const VARIABLE = 'env://';
/** Bytes; keys have some hundred. */
const MAX_KEY = 64 * 1024;

function readText(name: string, option: string): string {
  if (name.startsWith(VARIABLE)) {
    const value = process.env[name.slice(VARIABLE.length)];
    if (value !== undefined) return value;
    throw new UsageError(`${option} ${name}: the variable is not set`);
  }
  if (/^[a-z0-9]+:\/\//.test(name))
    throw new UsageError(`${option} ${name}: wiac takes keys of files and of env://VARIABLE`, {
      hint: 'cosign public-key --key NAME > cosign.pub writes the public key of a KMS into a file',
    });
  try {
    return readNamedFile(name, MAX_KEY).toString('latin1');
  } catch (cause) {
    throw new UsageError(`${option} ${name}: ${(cause as Error).message}`, {
      cause,
      hint: hintOf(cause),
    });
  }
}

/** @throws UsageError */
export function readPublicKey(name: string, option: string): KeyObject {
  return parsePublicKey(readText(name, option), `${option} ${name}`);
}

/** The password of an encrypted key is that of cosign's variable. @throws UsageError */
export function readPrivateKey(name: string, option: string): KeyObject {
  const password = () => process.env.COSIGN_PASSWORD;
  return parsePrivateKey(readText(name, option), `${option} ${name}`, password);
}
