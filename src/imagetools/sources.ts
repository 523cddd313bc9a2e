/** What `wiac imagetools create` makes an image of: references, digests, descriptors in files. */

import { isDigest } from '../oci/blob-digest.js';
import { getMessage } from '../oci/image-error.js';
import type { ImageReference, RegistryReference } from '../oci/reference.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { Descriptor, Digest } from '../oci/resolved-image.js';
import { UsageError } from '../util/errors.js';

/** One source as it was written. */
export interface WrittenSource {
  /** Undefined for a digest alone: it is in the repository of the others. */
  readonly reference: ImageReference | undefined;
  readonly digest: Digest | undefined;
  /** What a file says of it; wins over what its index says. */
  readonly descriptor: Partial<Descriptor>;
}

/** Reads a reference, or a digest alone. @throws ImageError */
export function parseSource(text: string): WrittenSource {
  if (isDigest(text)) return { reference: undefined, digest: text, descriptor: {} };
  return { reference: parseReference(text), digest: undefined, descriptor: {} };
}

/**
 * Reads a file of --file: a reference, a digest, or a descriptor as JSON.
 * @throws UsageError, ImageError
 */
export function parseSourceFile(text: string, file: string): WrittenSource {
  const content = text.trim();
  if (!content.startsWith('{')) return parseSource(content);
  let descriptor: Partial<Descriptor>;
  try {
    descriptor = JSON.parse(content) as Partial<Descriptor>;
  } catch (cause) {
    throw new UsageError(`--file ${file}: it is no JSON: ${getMessage(cause)}`, { cause });
  }
  const { digest } = descriptor;
  if (typeof digest !== 'string' || !isDigest(digest))
    throw new UsageError(`--file ${file}: the descriptor has no digest`, {
      hint: 'write a descriptor of OCI image-spec: {"digest": "sha256:...", ...}',
    });
  return { reference: undefined, digest, descriptor };
}

function getRepository({ kind, host, repository }: RegistryReference): RegistryReference {
  return { kind, host, repository };
}

/** Where each source is. @throws UsageError for a digest alone that could be in several places */
export function placeSources(
  sources: readonly WrittenSource[],
  tags: readonly ImageReference[],
): (WrittenSource & { readonly reference: ImageReference })[] {
  const known = [...sources.flatMap(({ reference }) => reference ?? []), ...tags];
  const repositories = new Map(
    known.flatMap((reference) => {
      if (reference.kind !== 'registry') return [];
      const repository = getRepository(reference);
      return [[formatReference(repository), repository] as const];
    }),
  );
  return sources.map((source) => {
    const { reference, digest } = source;
    if (reference !== undefined) return { ...source, reference };
    const [only] = repositories.values();
    if (only === undefined || repositories.size > 1)
      throw new UsageError(`${digest}: which repository is it in?`, {
        hint: `write REPOSITORY@${digest}`,
      });
    return { ...source, reference: { ...only, ...(digest === undefined ? {} : { digest }) } };
  });
}
