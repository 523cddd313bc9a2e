/** Images that were built here and pushed: a registry has them under digests of its own. */
import { getDigest } from '../../oci/blob-digest.js';
import { ImageError } from '../../oci/image-error.js';
import { parsePlatform } from '../../oci/platform.js';
import { parseReference } from '../../oci/reference.js';
import type { Store } from '../../store/store.js';
import type { ImageRequest, PlanImage, StoredImage } from '../images/plan-images.js';
import { imageId } from '../images/settle-image-ids.js';
import type { LockRequest } from './find-inputs.js';
import { imageDigests } from './image-digests.js';

/** Nobody pushes there: names like `mine` are of this machine. */
const OFFICIAL = /^library\//;

/** `wiac lock` can do without the answer: a registry that is away must not hold it up for long. */
const ATTEMPTS = 2;

function isBuiltHere(image: PlanImage): image is StoredImage {
  return 'stored' in image && image.stored.manifest === undefined;
}

/**
 * Digests of an image as the registry has it that its name says, when it is the one that is here: both have one config,
 * which names the content of all layers.
 * @returns undefined when the registry has none, has another one, or can't be asked
 */
export async function pushedDigests(
  store: Store,
  { reference, platform }: ImageRequest,
  image: PlanImage,
  { environment = {}, registry }: LockRequest,
): Promise<ReturnType<typeof imageDigests>> {
  const parsed = parseReference(reference);
  if (!isBuiltHere(image) || parsed.kind !== 'registry') return undefined;
  if (parsed.host === 'docker.io' && OFFICIAL.test(parsed.repository)) return undefined;
  const [{ registrySource }, { DEFAULT_RETRY }] = await Promise.all([
    import('../../oci/registry/registry.js'),
    import('../../oci/registry/retry.js'),
  ]);
  const retry = { ...DEFAULT_RETRY, attempts: ATTEMPTS };
  const source = registrySource(parsed, { environment, retry, ...registry });
  try {
    const found = await source.resolve(parsePlatform(platform));
    const isSame = getDigest(found.configBytes) === (await imageId(store, image.stored));
    return isSame ? imageDigests(found) : undefined;
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  } finally {
    await source.close();
  }
}
