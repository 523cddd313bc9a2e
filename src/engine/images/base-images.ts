/** Finds out which images a Dockerfile needs, and resolves them before it is compiled for good. */

import type { Dockerfile } from '../../dockerfile/ast.js';
import type { LockedInputs } from '../../lock/locked-inputs.js';
import type { BaseImage } from '../../oci/base-image.js';
import { baseImage } from '../../oci/base-image.js';
import { ImageError, sayingMore } from '../../oci/image-error.js';
import type { InPlaceImage } from '../../oci/in-place.js';
import { parsePlatform } from '../../oci/platform.js';
import { isContainersStorage, parseReference } from '../../oci/reference.js';
import type { RegistryOptions } from '../../oci/registry/registry.js';
import type { ImageSource, Platform } from '../../oci/resolved-image.js';
import { compile } from '../../plan/compile.js';
import type { Plan, PlanOptions } from '../../plan/plan.js';
import type { ImageRecord } from '../../store/records.js';
import type { SourceLocation } from '../../util/errors.js';
import { SignatureError, WiacError } from '../../util/errors.js';
import type { PullPolicy } from '../request.js';
import type { KeptImages } from './kept-images.js';
import type { ImageRequest, PlanImage, PlanImages } from './plan-images.js';
import { planImages } from './plan-images.js';
import { platformWarning, sayingOther } from './platform-warning.js';

/** A plan with the images it is based on. */
export interface PlanWithImages {
  readonly plan: Plan;
  readonly images: PlanImages;
  readonly close: () => Promise<void>;
}

/** The name is that of an image for another platform. */
export interface OtherPlatform {
  readonly otherPlatform: string;
}

/** Finds an image that the store holds, for a platform. */
export type FindStored = (
  request: ImageRequest,
) => Promise<ImageRecord | OtherPlatform | undefined>;

/** Stands for an image whose config is not known yet. */
function placeholder(reference: string): BaseImage {
  return { reference, digest: '', config: { Env: [], WorkingDir: '/' }, history: [] };
}

/** An image that another program keeps is known by its config. */
export function inPlaceBase(reference: string, { config, digest }: InPlaceImage): BaseImage {
  return baseImage(reference, { config, manifestDescriptor: { digest } });
}

/** The platform that an image is for, which need not be the one that was asked for. */
function getPlatform(image: PlanImage): Platform {
  if ('inPlace' in image) return image.inPlace.config;
  return 'stored' in image ? parsePlatform(image.stored.platform) : image.config;
}

/** What a plan has to know of an image. */
export function getBase(reference: string, image: PlanImage): BaseImage {
  if ('inPlace' in image) return inPlaceBase(reference, image.inPlace);
  if (!('stored' in image)) return baseImage(reference, image);
  const { id, manifest = id, config, history, author } = image.stored;
  return { reference, digest: manifest, config, history, author };
}

/** What --pull and the options for registries say. */
export interface ImageAccess {
  /** Where podman and buildah keep their images. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly registry?: RegistryOptions;
  readonly pull?: PullPolicy;
  /** What a lock file says. */
  readonly lockedInputs?: Pick<LockedInputs, 'file' | 'image'> | undefined;
  /** What is kept of images between builds. */
  readonly kept?: KeptImages;
  /** Asked first for what no lock file names; undefined: it is opened as usual. */
  readonly open?: (request: ImageRequest, sources: ImageSource[]) => Promise<PlanImage | undefined>;
  /** Ends what waits for a registry: it may never answer. */
  readonly signal?: AbortSignal;
  /** Those that were opened for another plan of the same Dockerfile. */
  readonly images?: PlanImages;
  /**
   * Told of each image before it is used.
   * @param index digest of the index that a lock file names for it: a claim
   * @throws when it must not be used
   */
  readonly check?: (
    reference: string,
    image: PlanImage,
    index: string | undefined,
  ) => Promise<void>;
}

/**
 * Asks the store first, as docker and podman do, then the source that the reference names.
 * @param sources gets the source that was opened, to be closed by the caller
 * @throws ImageError, and what the access's check throws
 */
export async function openImage(
  request: ImageRequest,
  findStored: FindStored,
  sources: ImageSource[],
  access: ImageAccess = {},
): Promise<PlanImage> {
  const image = await chooseImage(request, findStored, sources, access);
  await access.check?.(request.reference, image, undefined);
  return image;
}

async function chooseImage(
  request: ImageRequest,
  findStored: FindStored,
  sources: ImageSource[],
  access: ImageAccess,
): Promise<PlanImage> {
  const held = await findStored(request);
  if (held === undefined) return openElsewhere(request, sources, access);
  if ('otherPlatform' in held)
    return openElsewhere(request, sources, access).catch((error: unknown) => {
      throw sayingOther(error, request, held.otherPlatform);
    });
  const { pull = 'missing' } = access;
  if (pull === 'missing' || pull === 'never') return { stored: held };
  const found = openElsewhere(request, sources, access);
  // Newer than what is here can be only what is to be had.
  return pull === 'newer' ? found.catch(() => ({ stored: held })) : found;
}

/** An image that the store does not hold, or whose newest form is wanted. */
async function openElsewhere(
  request: ImageRequest,
  sources: ImageSource[],
  { environment = {}, registry = {}, pull = 'missing' }: ImageAccess,
): Promise<PlanImage> {
  if (isContainersStorage(request.reference)) {
    const { storageImage } = await import('./storage-image.js');
    return { inPlace: storageImage(request.reference, environment) };
  }
  // The registry client is loaded only by Dockerfiles that are based on an image from elsewhere.
  const { openImageSource } = await import('./image-source.js');
  if (pull === 'never' && parseReference(request.reference).kind === 'registry')
    throw new ImageError(
      `${request.reference} is not in the store, and --pull=never forbids to pull it`,
      {
        reference: request.reference,
        hint: 'wiac pull it, or build without --pull=never',
      },
    );
  const source = openImageSource(request.reference, registry);
  sources.push(source);
  return source.resolve(parsePlatform(request.platform));
}

/** An image that a plan asks for, and where. */
type Wanted = ImageRequest & { readonly location: SourceLocation };

/**
 * Compiles with the images that are known.
 * @returns the images that are missing, or the plan
 * @throws what compile throws, when nothing is missing
 */
function compileWith(
  dockerfile: Dockerfile,
  options: Omit<PlanOptions, 'image'>,
  images: PlanImages,
): { readonly missing: readonly Wanted[] } | { readonly plan: Plan } {
  const missing = new Map<string, Wanted>();
  const image: PlanOptions['image'] = (reference, platform, location) => {
    const known = images.get({ reference, platform });
    if (known) return getBase(reference, known);
    const key = `${platform} ${reference}`;
    if (!missing.has(key)) missing.set(key, { reference, platform, location });
    return placeholder(reference);
  };
  try {
    const plan = compile(dockerfile, { ...options, image });
    return missing.size === 0 ? { plan } : { missing: [...missing.values()] };
  } catch (error) {
    // With a config that is not known yet an error may mean nothing.
    if (missing.size === 0) throw error;
    return { missing: [...missing.values()] };
  }
}

/** With its place, if it has one. */
export type PlanError = WiacError & { readonly location?: SourceLocation | undefined };

/**
 * Why a Dockerfile can't be built, as far as that is known without building.
 * @param images what is known; an error that an image which is not here may explain is none
 */
export function planError(
  dockerfile: Dockerfile,
  options: Omit<PlanOptions, 'image'>,
  images: PlanImages,
): PlanError | undefined {
  try {
    compileWith(dockerfile, options, images);
    return undefined;
  } catch (error) {
    if (error instanceof WiacError) return error;
    throw error;
  }
}

/** The image that the lock file names; without one, or where it names none, as openImage. */
async function openPinned(
  wanted: Wanted,
  findStored: FindStored,
  sources: ImageSource[],
  access: ImageAccess,
): Promise<PlanImage> {
  const { lockedInputs, kept, registry = {} } = access;
  const { reference, platform, location } = wanted;
  const locked = lockedInputs?.image(reference, platform, location);
  if (!lockedInputs || !locked)
    return (
      (await access.open?.(wanted, sources)) ?? chooseImage(wanted, findStored, sources, access)
    );
  const { checkLockedDigest, openLockedImage } = await import('./locked-image.js');
  if (kept && parseReference(reference).kind === 'registry')
    return openLockedImage(wanted, lockedInputs.file, locked.digest, kept, registry, sources);
  const image = await chooseImage(wanted, findStored, sources, access);
  checkLockedDigest(reference, lockedInputs.file, locked.digest, getBase(reference, image).digest);
  return image;
}

/** Opens an image for a plan. @throws ImageError, which says what asks for the image */
async function openWanted(
  wanted: Wanted,
  findStored: FindStored,
  sources: ImageSource[],
  access: ImageAccess,
): Promise<PlanImage> {
  try {
    const image = await openPinned(wanted, findStored, sources, access);
    // Wherever it comes from: a lock file says which image it is, and not that it may be used.
    if (access.check) {
      const { reference, platform, location } = wanted;
      const locked = access.lockedInputs?.image(reference, platform, location);
      await access.check(reference, image, locked?.index);
    }
    // An image of the store may be asked for by its id, which is no reference.
    const isRemote = access.kept !== undefined && 'manifestBytes' in image;
    if (isRemote && parseReference(wanted.reference).kind === 'registry')
      await access.kept.keep(image);
    return image;
  } catch (error) {
    const { location } = wanted;
    if (error instanceof SignatureError)
      throw new SignatureError(error.message, location, { hint: error.hint });
    throw error instanceof ImageError ? sayingMore(error, { location }) : error;
  }
}

/**
 * Compiles again and again, until every image that the plan asks for is known: which ones those
 * are can depend on the triggers (ONBUILD) of the ones before.
 * @throws what compile throws, and ImageError, also when the signal has closed a connection
 */
export async function planWithImages(
  dockerfile: Dockerfile,
  options: Omit<PlanOptions, 'image'>,
  findStored: FindStored,
  access: ImageAccess,
): Promise<PlanWithImages> {
  const images = access.images ?? planImages();
  const warnings: string[] = [];
  const sources: ImageSource[] = [];
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  const { signal } = access;
  const stop = () => void close().catch(() => {});
  signal?.addEventListener('abort', stop);
  try {
    for (;;) {
      const compiled = compileWith(dockerfile, options, images);
      if ('plan' in compiled) {
        const { plan } = compiled;
        const all = [...new Set([...plan.warnings, ...warnings])];
        return { plan: { ...plan, warnings: all }, images, close };
      }
      for (const wanted of compiled.missing) {
        const opened = await openWanted(wanted, findStored, sources, access);
        images.set(wanted, opened);
        const warning = platformWarning(wanted.reference, getPlatform(opened), wanted.platform);
        if (warning !== undefined) warnings.push(warning);
      }
    }
  } catch (error) {
    await close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
