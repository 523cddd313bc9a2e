/** The image that `wiac run NAME` means: one of the store, else one that is pulled. */

import type { EventSink } from '../engine/events.js';
import { findImage, similarName } from '../engine/images/find-image.js';
import { sayingOther } from '../engine/images/platform-warning.js';
import { ImageError, sayingMore } from '../oci/image-error.js';
import { formatPlatform, hostPlatform, parsePlatform, platformFit } from '../oci/platform.js';
import {
  formatReference,
  isContainersStorage,
  isFileTransport,
  parseReference,
} from '../oci/reference.js';
import type { ImageRecord } from '../store/records.js';
import type { Store } from '../store/store.js';
import type { WiacError } from '../util/errors.js';
import { NotFoundError } from '../util/errors.js';
import type { SignedPrefix } from '../verify/signed-prefixes.js';
import { warnOfPlatform, warnOnStderr } from './warn-of-platform.js';

/** When to ask where an image comes from: the values of docker run's --pull. */
export type PullPolicy = 'always' | 'missing' | 'never';

/** What decides which image is run. */
export interface ImageChoice {
  readonly pull: PullPolicy;
  /** Do not say that something is pulled. */
  readonly quiet: boolean;
  /** `os/architecture[/variant]`; undefined: this machine's, or whatever the store has. */
  readonly platform: string | undefined;
  /** Images that must be signed. */
  readonly requireSigned: readonly SignedPrefix[];
}

const PATHS = 'directories are written as ./DIR or /DIR';

/** The image of that name that can't be taken, and the platform that was asked for. */
interface Unfit {
  readonly stored: ImageRecord | undefined;
  readonly wanted: string;
}

function notThere(store: Store, name: string, { stored, wanted }: Unfit): NotFoundError {
  if (stored)
    return new NotFoundError(`there is no image ${name} for ${wanted}`, {
      hint: `the store has it for ${stored.platform}`,
    });
  const similar = similarName(store, name);
  return new NotFoundError(`there is no image ${name}`, {
    hint:
      similar === undefined
        ? `wiac images lists them, --pull=missing fetches them; ${PATHS}`
        : `did you mean ${similar}? ${PATHS}`,
  });
}

/** What a name that the store has not means elsewhere. @throws NotFoundError when it can't be one */
function elsewhere(store: Store, name: string, unfit: Unfit): string {
  try {
    return formatReference(parseReference(name));
  } catch (error) {
    if (error instanceof ImageError) throw notThere(store, name, unfit);
    throw error;
  }
}

/** A name that was mistyped must not end as a riddle about some registry. */
function withSuggestion(
  store: Store,
  name: string,
  error: unknown,
  { stored, wanted }: Unfit,
): unknown {
  if (!(error instanceof ImageError)) return error;
  if (stored && platformFit(parsePlatform(wanted), parsePlatform(stored.platform)) !== undefined)
    return error;
  if (stored) return sayingOther(error, { reference: name, platform: wanted }, stored.platform);
  const { hint } = error;
  const similar = similarName(store, name);
  const more = similar === undefined ? PATHS : `did you mean ${similar}, which is in the store?`;
  return sayingMore(error, { hint: hint === undefined ? more : `${hint}; ${more}` });
}

/**
 * The image, pulled when the store lacks it or --pull=always asks for that. An image in a layout or
 * an archive is looked up there each time, which costs no more than reading its manifest; one of
 * podman or buildah is used where it is, and gets no name here.
 * @throws NotFoundError, ImageError, NoSpaceError, SignatureError
 */
export async function imageToRun(
  store: Store,
  name: string,
  { pull, quiet, platform, requireSigned: prefixes }: ImageChoice,
): Promise<ImageRecord> {
  const wanted = platform ?? formatPlatform(hostPlatform());
  const isHere = async (image: ImageRecord) => {
    if (prefixes.length > 0 && !isContainersStorage(name)) {
      const { requireSignedRecord } = await import('../engine/signatures/require-signed.js');
      await requireSignedRecord(name, image, { prefixes, store });
    }
    warnOfPlatform(name, parsePlatform(image.platform), wanted);
    return image;
  };
  if (isContainersStorage(name)) {
    const { adoptStorageImage } = await import('../engine/images/storage-image.js');
    return isHere(adoptStorageImage(store, name, process.env));
  }
  const stored = await findImage(store, name);
  const fits =
    platform === undefined ||
    (stored && platformFit(parsePlatform(platform), parsePlatform(stored.platform)) !== undefined);
  const inFile = isFileTransport(name);
  const isAsked = pull === 'always' || (inFile && pull === 'missing');
  if (stored && fits && !isAsked) return isHere(stored);
  const unfit = { stored, wanted };
  if (pull === 'never') throw notThere(store, name, unfit);
  const reference = elsewhere(store, name, unfit);
  if (!quiet) process.stderr.write(`wiac: pulling ${reference}\n`);
  const { pullImage } = await import('../engine/images/pull-image.js');
  const pullIt = (onEvent?: EventSink) =>
    pullImage(store, name, wanted, name, {
      environment: process.env,
      requireSigned: prefixes,
      warn: warnOnStderr,
      onEvent,
    });
  try {
    if (quiet) return await pullIt();
    const { showTransfers } = await import('./show-transfers.js');
    return await showTransfers(pullIt);
  } catch (error) {
    throw withSuggestion(store, name, error as WiacError, unfit);
  }
}
