/** "Listing Referrers" of the OCI distribution-spec 1.1. */
import { ImageError } from '../image-error.js';
import { OCI_INDEX } from '../media-types.js';
import { isIndex, MAX_JSON_BYTES, parseManifest } from '../parse-manifest.js';
import type { Descriptor, Digest } from '../resolved-image.js';
import type { RegistryClient } from './client.js';
import { readBody } from './read-body.js';

/** Pages that are read; a registry decides how long one is. */
const MAX_PAGES = 20;
/** What a registry answers that has no such API. */
const NO_API = [400, 404, 405, 406, 501];

/** The next page, which is at the same registry. */
function nextPage(link: string | undefined, url: URL): URL | undefined {
  const target = /<([^>]+)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  const next = URL.canParse(target, url.href) ? new URL(target, url) : undefined;
  return next?.origin === url.origin ? next : undefined;
}

/**
 * What refers to a manifest.
 * @param artifactType only what is of it
 * @returns undefined when the registry has no API for it: then a tag may have the list
 * @throws ImageError
 */
export async function listReferrers(
  client: RegistryClient,
  digest: Digest,
  artifactType: string,
): Promise<Descriptor[] | undefined> {
  const what = `list what refers to ${client.title}@${digest}`;
  const query = `artifactType=${encodeURIComponent(artifactType)}`;
  let target: string | URL = `${client.repository}/referrers/${digest}?${query}`;
  const found: Descriptor[] = [];
  for (let page = 0; page < MAX_PAGES; page++) {
    const response = await client.session.request({
      method: 'GET',
      target,
      headers: { accept: OCI_INDEX },
      scopes: client.scopes,
      expect: [200, ...NO_API],
      what,
    });
    if (response.status !== 200) {
      await response.dump();
      return undefined;
    }
    const bytes = await readBody(response, MAX_JSON_BYTES, what);
    const index = parseManifest(bytes, OCI_INDEX, client.title);
    if (!isIndex(index)) throw new ImageError(`${what}: the registry answered with no index`);
    found.push(...index.manifests.filter((each) => each.artifactType === artifactType));
    const next = nextPage(response.header('link'), response.url);
    if (next === undefined) break;
    target = next;
  }
  return found;
}
