/** in-toto statements (in-toto attestation framework, spec/v1/statement.md). */

import { digestParts } from '../oci/blob-digest.js';
import { formatPlatform } from '../oci/platform.js';
import { familiarReference, parseRegistryReference } from '../oci/reference.js';
import type { Descriptor } from '../oci/resolved-image.js';

/** Something said about an image. */
export interface Statement {
  readonly _type: 'https://in-toto.io/Statement/v1';
  readonly subject: readonly {
    readonly name: string;
    readonly digest: Readonly<Record<string, string>>;
  }[];
  readonly predicateType: string;
  readonly predicate: unknown;
}

/** A digest as in-toto has it: by algorithm. */
export function digestSet(digest: Descriptor['digest']): Record<string, string> {
  const { algorithm, hex } = digestParts(digest);
  return { [algorithm]: hex };
}

/** Package URL of an image (purl-spec, type docker), as BuildKit writes it. */
export function imagePurl(reference: string, platform: string): string {
  const { tag, digest, ...rest } = parseRegistryReference(reference);
  const name = familiarReference(rest);
  const at = tag === undefined ? '' : `@${encodeURIComponent(tag)}`;
  // Beside the tag, as BuildKit has it.
  const own = digest === undefined ? '' : `digest=${digest}&`;
  return `pkg:docker/${name}${at}?${own}platform=${encodeURIComponent(platform)}`;
}

/**
 * A statement about an image.
 * @param names that it is going to have; none: `_`, as BuildKit
 */
export function imageStatement(
  manifest: Descriptor,
  names: readonly string[],
  predicateType: string,
  predicate: unknown,
): Statement {
  const platform = manifest.platform ? formatPlatform(manifest.platform) : 'unknown';
  const subjects = names.length > 0 ? names.map((name) => imagePurl(name, platform)) : ['_'];
  const digest = digestSet(manifest.digest);
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: subjects.map((name) => ({ name, digest })),
    predicateType,
    predicate,
  };
}
