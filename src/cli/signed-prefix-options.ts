/** --require-signed, and what the config file says of it. */
import type { SignedPrefix } from '../verify/signed-prefixes.js';
import { splitSignedPrefix } from '../verify/signed-prefixes.js';
import { readSignedRules } from './config-file.js';
import { readPublicKey } from './key-files.js';

/** @param option that it is written in, for messages */
function readRule(text: string, option: string): SignedPrefix {
  const { prefix, key } = splitSignedPrefix(text, option);
  return { prefix, keys: [readPublicKey(key, `${option} ${prefix}`)] };
}

/**
 * The images that must be signed: rules of the config file and of the command line, which count alike.
 * @throws UsageError
 */
export function readSignedPrefixes(
  given: readonly string[],
  environment: NodeJS.ProcessEnv,
): SignedPrefix[] {
  const configured = readSignedRules(environment).flatMap(({ prefix, keys }) =>
    keys.map((key) => readRule(`${prefix}=${key}`, 'images.requireSigned')),
  );
  return [...configured, ...given.map((text) => readRule(text, '--require-signed'))];
}
