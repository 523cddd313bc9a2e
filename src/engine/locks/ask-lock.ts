/** Questions about a lock file: `wiac lock --check` and `--outdated`. */
import { networkPolicy } from '../../lock/allow-network.js';
import type { LockProblem } from '../../lock/check-lock.js';
import { checkLock } from '../../lock/check-lock.js';
import type { LockedSource } from '../../lock/lock-file.js';
import { describeSource, lockedValue, sourceKey } from '../../lock/lock-file.js';
import type { LockInput } from '../../lock/lock-inputs.js';
import { ownValue } from '../../lock/lock-inputs.js';
import type { ReadLock } from '../../lock/locked-inputs.js';
import { agrees, openLockedInputs } from '../../lock/locked-inputs.js';
import { ImageError } from '../../oci/image-error.js';
import { parsePlatform } from '../../oci/platform.js';
import type { ImageSource } from '../../oci/resolved-image.js';
import { lazyScratch } from '../../store/layers/layer-store.js';
import type { Store } from '../../store/store.js';
import { ContextError } from '../../util/errors.js';
import { keptImages } from '../images/kept-images.js';
import { keptImage } from '../images/locked-image.js';
import type { PlanImage, PlanImages } from '../images/plan-images.js';
import { planImages } from '../images/plan-images.js';
import { getSignal, imageAccess, openDockerfile } from '../plan-dockerfile.js';
import type { LockRequest } from './find-inputs.js';
import { findInputs, lockScope } from './find-inputs.js';
import { imageDigests } from './image-digests.js';
import { wantedLock } from './open-lock.js';
import type { ResolveSession } from './resolve-inputs.js';
import { resolveInput } from './resolve-inputs.js';

/** Stands for an image that is not here: its ONBUILD and ENV are not known without the network. */
function unknownImage(platform: string): PlanImage {
  const { os, architecture } = parsePlatform(platform);
  const config = { os, architecture, rootfs: { type: 'layers' as const, diff_ids: [] } };
  const digest = '' as ImageDigest;
  return { inPlace: { digest, config, configBytes: undefined, layers: [] } };
}

type ImageDigest = Extract<PlanImage, { inPlace: unknown }>['inPlace']['digest'];

/** The inputs as far as they can be known without asking anybody. */
async function inputsOffline(
  session: ResolveSession,
  input: Parameters<typeof findInputs>[1],
  read: ReadLock,
) {
  const { store, request } = session;
  const scope = lockScope(request, read.lock);
  const lockedInputs = openLockedInputs(read, { locked: false, writing: true });
  const kept = keptImages(store);
  const policy = networkPolicy(read.lock.allowNetwork);
  const { inputs } = await findInputs(
    store,
    input,
    request,
    scope,
    {
      lockedInputs: undefined,
      open: async ({ reference, platform }, sources) => {
        const locked = lockedInputs.image(reference, platform, undefined);
        if (!locked) return unknownImage(platform);
        const { digest } = locked;
        const known =
          kept.stored(digest, platform) ?? keptImage(reference, digest, kept, {}, sources);
        return known ?? unknownImage(platform);
      },
    },
    policy,
  );
  return { inputs, scope, policy };
}

/** Reads the Dockerfile and its lock file for as long as a question takes. @throws LockError */
async function withLock<T>(
  store: Store,
  request: LockRequest,
  action: (
    session: ResolveSession,
    input: Parameters<typeof findInputs>[1],
    read: ReadLock,
  ) => Promise<T>,
): Promise<T> {
  const { input, close } = await openDockerfile(store, request);
  const scratch = lazyScratch(store.paths);
  const signal = getSignal(request);
  try {
    const read = wantedLock(input, { lock: 'locked' });
    if (!read) throw new Error('a lock file that has to be there is not');
    return await action({ store, request, scratch: scratch.path, signal }, input, read);
  } finally {
    scratch.remove();
    close();
  }
}

/**
 * Is the lock file complete and current for its Dockerfile? Nobody is asked; of base images that are
 * not here ONBUILD is not known.
 * @returns what is wrong
 * @throws LockError when there is none, or it can't be read
 */
export function checkLockFile(store: Store, request: LockRequest): Promise<LockProblem[]> {
  return withLock(store, request, async (session, input, read) => {
    const { inputs, scope, policy } = await inputsOffline(session, input, read);
    return checkLock(read, inputs, scope, scope.whole ? policy.unused() : []);
  });
}

/** A source of the lock file that is something else now. */
export interface OutdatedSource {
  /** As messages have it. */
  readonly source: string;
  readonly kind: LockedSource['kind'];
  readonly name: string;
  readonly platform?: string;
  readonly ref?: string | undefined;
  readonly locked: string;
  /** Undefined: it is there no more. */
  readonly current: string | undefined;
}

/** What the source means now; undefined when it is gone. @throws when that can't be found out */
async function currentValue(
  session: ResolveSession,
  input: LockInput,
  images: PlanImages,
): Promise<string | undefined> {
  const { asked } = input;
  const { request } = session;
  const opened: ImageSource[] = [];
  try {
    if ('reference' in asked) {
      const { openImageSource } = await import('../images/image-source.js');
      const source = openImageSource(asked.reference, imageAccess(request).registry);
      opened.push(source);
      const image = await source.resolve(parsePlatform(asked.platform));
      images.set(asked, image);
      return imageDigests(image)?.digest;
    }
    const now = await resolveInput(session, input, images);
    return now && lockedValue(now);
  } catch (error) {
    const isGone =
      (error instanceof ImageError && error.status === 404) ||
      (error instanceof ContextError &&
        /has no branch or tag|answered (?:404|410)/.test(error.message));
    if (isGone) return undefined;
    throw error;
  } finally {
    await Promise.all(opened.map((source) => source.close()));
  }
}

/**
 * Asks for every source of the lock file that the Dockerfile uses, and says what moved.
 * @throws LockError; ImageError and ContextError when somebody can't be asked
 */
export function outdatedSources(store: Store, request: LockRequest): Promise<OutdatedSource[]> {
  return withLock(store, request, async (session, input, read) => {
    const { inputs } = await inputsOffline(session, input, read);
    const known = new Map(read.lock.sources.map((source) => [sourceKey(source), source]));
    const outdated: OutdatedSource[] = [];
    for (const one of inputs) {
      const locked = known.get(sourceKey(one.identity));
      const own = ownValue(one);
      // What the Dockerfile lockedInputs itself can't move.
      if (!locked || (own !== undefined && agrees(locked, own))) continue;
      const current = await currentValue(session, one, planImages());
      if (current === lockedValue(locked)) continue;
      const { kind, name } = locked;
      const detail =
        locked.kind === 'image'
          ? { platform: locked.platform }
          : locked.kind === 'git'
            ? { ref: locked.ref }
            : {};
      const source = describeSource(locked);
      outdated.push({ source, kind, name, ...detail, locked: lockedValue(locked), current });
    }
    return outdated;
  });
}
