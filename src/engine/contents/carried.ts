/** What an image carries: its SBOM and its provenance. */
import { isProvenance, isSbom } from '../../attest/read-attestations.js';
import { installedPackages, sbom } from '../../attest/sbom.js';
import type { ListedPackage } from '../../attest/spdx-packages.js';
import { listedPackage, spdxPackages } from '../../attest/spdx-packages.js';
import { getMessage, ImageError } from '../../oci/image-error.js';
import type { Digest } from '../../oci/resolved-image.js';
import { parseEpoch } from '../../plan/epoch.js';
import type { Store } from '../../store/store.js';
import { NotFoundError } from '../../util/errors.js';
import { VERSION } from '../../util/version.js';
import type { ImageSubject, SubjectAccess } from './image-subject.js';
import { openSubject, subjectStack } from './image-subject.js';

/** A document about an image, and where it comes from. */
export interface ImageDocument {
  /** The predicate: SPDX, or SLSA. */
  readonly document: unknown;
  /** The image carries it; else it was made of the layers just now. */
  readonly isCarried: boolean;
  /** Documents of the same kind that the image carries besides. */
  readonly others: number;
}

/** What became of asking for what an image carries. */
interface Carried {
  readonly found: ImageDocument | undefined;
  /** Why nobody knows whether it carries one: the registry of an image that is here did not answer. */
  readonly problem: string | undefined;
}

async function readCarried(
  subject: ImageSubject,
  isWanted: (predicateType: string) => boolean,
): Promise<Carried> {
  try {
    const [first, ...others] = await subject.carried(isWanted);
    if (!first) return { found: undefined, problem: undefined };
    const document = first.predicate;
    return { found: { document, isCarried: true, others: others.length }, problem: undefined };
  } catch (error) {
    if (!(error instanceof ImageError) || !subject.isHere) throw error;
    return { found: undefined, problem: getMessage(error) };
  }
}

/** The SBOM of an image of the store, from the files of its layers. */
async function sbomOfLayers(
  store: Store,
  subject: ImageSubject,
  environment: NodeJS.ProcessEnv,
): Promise<unknown> {
  const stack = await subjectStack(store, subject);
  const manifest = { mediaType: '', size: 0, digest: (await subject.digest()) as Digest };
  const epoch = parseEpoch(environment.SOURCE_DATE_EPOCH);
  const created = epoch === undefined ? new Date() : new Date(epoch * 1000);
  return sbom(stack, manifest, subject.name, created, VERSION);
}

/**
 * The SBOM that an image carries. One of an image of the store that carries none is made of its layers.
 * @throws NotFoundError when there is none; ImageError, UnsupportedError
 */
export async function imageSbom(
  store: Store,
  name: string,
  access: SubjectAccess,
): Promise<ImageDocument> {
  const subject = await openSubject(store, name, access);
  const { found } = await readCarried(subject, isSbom);
  if (found) return found;
  if (subject.isHere)
    return {
      document: await sbomOfLayers(store, subject, access.environment ?? {}),
      isCarried: false,
      others: 0,
    };
  throw new NotFoundError(`${name} carries no SBOM for ${subject.platform}`, {
    hint: 'wiac build --sbom adds one; wiac pull it, and wiac makes one of its layers',
  });
}

/**
 * The provenance that an image carries.
 * @throws NotFoundError when there is none; ImageError, UnsupportedError
 */
export async function imageProvenance(
  store: Store,
  name: string,
  access: SubjectAccess,
): Promise<ImageDocument> {
  const subject = await openSubject(store, name, access);
  const { found, problem } = await readCarried(subject, isProvenance);
  if (found) return found;
  throw new NotFoundError(
    problem === undefined
      ? `${name} carries no provenance${subject.isHere ? ' in the store' : ` for ${subject.platform}`}`
      : `${name} has no provenance in the store, and where it came from: ${problem}`,
    {
      hint: subject.isHere
        ? `docker://${name} asks its registry; wiac build --provenance --push adds it there`
        : 'wiac build --provenance adds it where the image is written to: --push, -o type=oci',
    },
  );
}

/** The packages of an image: those of its layers if they are here, else those of the SBOM that it carries. */
export async function imagePackages(store: Store, subject: ImageSubject): Promise<ListedPackage[]> {
  if (!subject.isHere) {
    const { found } = await readCarried(subject, isSbom);
    if (found) return spdxPackages(found.document);
  }
  return installedPackages(await subjectStack(store, subject)).map(listedPackage);
}
