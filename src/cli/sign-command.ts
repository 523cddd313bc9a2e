/** `wiac sign`, `wiac verify-image` */
import { signImage } from '../engine/signatures/sign-image.js';
import { tellProblems, verifyImage } from '../engine/signatures/verify-image.js';
import type { ImageReference } from '../oci/reference.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { Digest } from '../oci/resolved-image.js';
import { UsageError } from '../util/errors.js';
import { interruptibly } from './abort-on-signal.js';
import { parsePairs } from './dockerfile-input.js';
import { readPrivateKey, readPublicKey } from './key-files.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';

/** Options of `wiac sign`, as commander gives them. */
export interface SignOptions extends RegistryAccessOptions {
  readonly key: string;
  readonly annotations: readonly string[];
  readonly recursive: boolean;
  readonly registryReferrersMode: 'legacy' | 'oci-1-1';
  readonly signContainerIdentity?: string;
}

/** @throws UsageError */
function parseAnnotations(items: readonly string[]): Record<string, string> {
  const bare = items.find((item) => !item.includes('='));
  if (bare === undefined) return parsePairs(items, '-a');
  throw new UsageError(`-a ${bare}: the value is missing`, { hint: 'write -a KEY=VALUE' });
}

/** The image by its digest, wherever its tag goes. */
function pinned(reference: ImageReference, digest: Digest): string {
  if (reference.kind !== 'registry' && reference.kind !== 'oci-layout')
    return formatReference(reference);
  const { tag, ...rest } = reference;
  return formatReference({ ...rest, digest });
}

/** `wiac sign REF`: prints what is signed now, by digest. @throws UsageError, ImageError, UnsupportedError */
export async function signCommand(text: string, options: SignOptions): Promise<void> {
  const reference = parseReference(text);
  const key = readPrivateKey(options.key, '--key');
  const annotations = parseAnnotations(options.annotations);
  const registry = await registryAccess(options);
  const { recursive, signContainerIdentity: identity } = options;
  const form = options.registryReferrersMode === 'oci-1-1' ? 'referrer' : 'tag';
  const signed = await interruptibly((signal) =>
    signImage({ reference: text, key, annotations, recursive, form, identity, registry, signal }),
  );
  for (const { digest, wasSigned } of signed) {
    const name = pinned(reference, digest);
    if (wasSigned) process.stderr.write(`wiac: ${name} has this signature already\n`);
    process.stdout.write(`${name}\n`);
  }
}

/** Options of `wiac verify-image`, as commander gives them. */
export interface VerifyImageOptions extends RegistryAccessOptions {
  readonly key: readonly string[];
  readonly annotations: readonly string[];
  readonly matchRepository: boolean;
}

/**
 * `wiac verify-image REF`: prints what was signed, as a JSON list on one line.
 * @throws SignatureError, UsageError, ImageError, UnsupportedError
 */
export async function verifyImageCommand(text: string, options: VerifyImageOptions): Promise<void> {
  const reference = parseReference(text);
  const keys = options.key.map((name) => readPublicKey(name, '--key'));
  const annotations = parseAnnotations(options.annotations);
  const registry = await registryAccess(options);
  const { matchRepository } = options;
  const { digest, claims, problems } = await interruptibly((signal) =>
    verifyImage({ reference: text, keys, annotations, matchRepository, registry, signal }),
  );
  const names = [...new Set(claims.map(({ dockerReference }) => dockerReference))].join(', ');
  process.stderr.write(
    `wiac: ${pinned(reference, digest)} has ${claims.length === 1 ? 'a valid signature' : `${claims.length} valid signatures`}${names === '' ? '' : `, as ${names}`}\n`,
  );
  if (problems.length > 0)
    process.stderr.write(`wiac: other signatures do not count: ${tellProblems(problems)}\n`);
  process.stdout.write(`${JSON.stringify(claims.map(({ payload }) => payload))}\n`);
}
