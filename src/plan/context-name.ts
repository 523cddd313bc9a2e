/** Names of --build-context. */
import { parseRegistryReference } from '../oci/reference.js';

/**
 * One spelling for all that mean the same, as BuildKit compares them: `alpine` is `alpine:latest` and
 * `docker.io/library/alpine`. Stages have their names in lower case.
 */
export function contextName(text: string): string {
  try {
    const { host, repository, tag, digest } = parseRegistryReference(text);
    const hub = repository.replace(/^library\/(?=[^/]+$)/, '');
    const name = host === 'docker.io' ? hub : `${host}/${repository}`;
    const tagged = tag === undefined || tag === 'latest' ? name : `${name}:${tag}`;
    return digest === undefined ? tagged : `${tagged}@${digest}`;
  } catch {
    return text.toLowerCase();
  }
}
