/** Checks who signed an image: `wiac verify-image`. */
import { formatReference, parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { Digest } from '../../oci/resolved-image.js';
import { abortable } from '../../util/abort.js';
import { SignatureError } from '../../util/errors.js';
import { plural } from '../../util/plural.js';
import type { SignatureDemand } from '../../verify/judge-signature.js';
import { judgeSignature } from '../../verify/judge-signature.js';
import type { SignedClaims } from '../../verify/simple-signing.js';
import { openManifests } from '../images/open-manifest.js';
import { findSignatures } from './find-signatures.js';
import { openSignaturePlace } from './signature-place.js';

/** What is to be verified, and by what. */
export interface VerifyRequest extends Omit<SignatureDemand, 'digests' | 'repository'> {
  /** In a registry, or `oci-layout://DIR[:NAME]`. */
  readonly reference: string;
  /** The signer must have given the image the name that it has here (`docker-reference`). */
  readonly matchRepository?: boolean | undefined;
  readonly registry?: RegistryOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An image with a signature that counts. */
export interface VerifiedImage {
  readonly digest: Digest;
  /** Of each signature that counts. */
  readonly claims: readonly SignedClaims[];
  /** What is wrong with the others. */
  readonly problems: readonly string[];
}

const MAX_TOLD = 5;

/** What is wrong, each once, with how often. */
export function tellProblems(problems: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const problem of problems) counts.set(problem, (counts.get(problem) ?? 0) + 1);
  const told = [...counts].slice(0, MAX_TOLD);
  const lines = told.map(([problem, count]) =>
    count > 1 ? `${problem} (${plural(count, 'time')})` : problem,
  );
  return [...lines, ...(counts.size > MAX_TOLD ? ['and more'] : [])].join('; ');
}

/** The error for an image that nobody who counts has signed. */
export function unsigned(
  title: string,
  digest: Digest,
  problems: readonly string[],
  hint: string,
): SignatureError {
  const image = title.includes(digest) ? title : `${title} (${digest})`;
  return new SignatureError(
    problems.length === 0
      ? `${image} is not signed`
      : `${image} has no valid signature: ${tellProblems(problems)}`,
    undefined,
    { hint },
  );
}

async function verify(request: VerifyRequest): Promise<VerifiedImage> {
  const { registry, keys, annotations, matchRepository = false } = request;
  const reference = parseReference(request.reference);
  const place = openSignaturePlace(reference, registry);
  const source = openManifests(reference, registry);
  try {
    const { digest } = (await source.root()).descriptor;
    const repository = matchRepository ? place.repository : undefined;
    const demand = { keys, annotations, repository, digests: [digest] };
    const claims: SignedClaims[] = [];
    const problems: string[] = [];
    for await (const found of findSignatures(place, digest)) {
      const verdict = 'problem' in found ? found : judgeSignature(found, demand);
      if ('problem' in verdict) problems.push(verdict.problem);
      else claims.push(verdict);
    }
    if (claims.length > 0) return { digest, claims, problems };
    const hint = 'wiac sign signs it; cosign of version 3 needs --new-bundle-format=false for it';
    throw unsigned(formatReference(reference), digest, problems, hint);
  } finally {
    await Promise.all([source.close(), place.close()]);
  }
}

/**
 * Reads the signatures of what a reference names, as `cosign verify --key` does.
 * @throws SignatureError when none counts; ImageError, UnsupportedError; the signal's reason
 */
export function verifyImage(request: VerifyRequest): Promise<VerifiedImage> {
  const { signal = new AbortController().signal } = request;
  return abortable(signal, () => verify(request));
}
