/** --require-signed, and what the config file says of it. */
import type { SignedPrefix } from '../verify/signed-prefixes.js';
import { splitSignedPrefix } from '../verify/signed-prefixes.js';
import { readSignedRules } from './config-file.js';
import { readPublicKey } from './key-files.js';

/**
 * The images that must be signed: rules of the config file and of the command line, which count alike.
 * @throws UsageError
 */
export function readSignedPrefixes(
  given: readonly string[],
  environment: NodeJS.ProcessEnv,
): SignedPrefix[] {
  const configured = readSignedRules(environment).flatMap(({ prefix, keys }) =>
    keys.map((key) => splitSignedPrefix(`${prefix}=${key}`)),
  );
  return [...configured, ...given.map(splitSignedPrefix)].map(({ prefix, key }) => ({
    prefix,
    keys: [readPublicKey(key, `--require-signed ${prefix}`)],
  }));
}
