/** What a Dockerfile asks for, in the words of a lock file. Pure. */

import type { ImageReference } from '../oci/reference.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { RemoteSource } from '../plan/remote.js';
import type { SourceIdentity } from './lock-file.js';

/** An image that a plan asks for. @throws ImageError for a text that is no reference */
export function imageIdentity(
  reference: string,
  platform: string,
): Extract<SourceIdentity, { kind: 'image' }> {
  return { kind: 'image', name: formatReference(parseReference(reference)), platform };
}

/** A file or a repository that ADD fetches, or that a build context is. */
export function remoteIdentity(source: RemoteSource): SourceIdentity {
  const { url } = source;
  return source.type === 'http'
    ? { kind: 'http', name: url }
    : { kind: 'git', name: url, ref: source.ref };
}

/** The digest that a reference has of its own. */
export function ownDigest(reference: ImageReference): string | undefined {
  return 'digest' in reference ? reference.digest : undefined;
}

/** The reference of an image without its digest, where it has a tag as well. */
export function withoutDigest(name: string): string {
  return name.replace(/@[a-z0-9]+:[0-9a-f]+$/, '');
}
