/** What a lock file says about the inputs of a build, and which of them it does not know. Pure. */
import { parseReference } from '../oci/reference.js';
import type { Plan } from '../plan/plan.js';
import type { RemoteSource } from '../plan/remote.js';
import type { Pinned } from '../plan/step.js';
import type { SourceLocation } from '../util/errors.js';
import { LockError } from '../util/errors.js';
import { imageIdentity, ownDigest, remoteIdentity, withoutDigest } from './identify.js';
import type { LockedImage, LockedSource, LockFile, SourceIdentity } from './lock-file.js';
import { describeSource, sourceKey } from './lock-file.js';

/** A lock file with the text that it was read from. */
export interface ReadLock {
  /** What messages call it. */
  readonly file: string;
  readonly text: string;
  readonly lock: LockFile;
}

/** The pins of one build. Each function takes the instruction that asks. */
export interface Pins {
  /** What messages call the lock file. */
  readonly file: string;
  /** @throws LockError when the Dockerfile contradicts it, or lacks it and the build is locked */
  readonly image: (
    reference: string,
    platform: string,
    location: SourceLocation | undefined,
  ) => LockedImage | undefined;
  /** @throws LockError as above */
  readonly remote: (
    source: RemoteSource,
    location: SourceLocation | undefined,
  ) => Pinned | undefined;
  /** One warning for each input of a plan that is not in the lock file. */
  readonly warnings: (plan: Pick<Plan, 'steps'>) => string[];
}

/** How strictly a lock file is taken. */
export interface PinOptions {
  /** --locked: an input that is not in it is an error. */
  readonly locked: boolean;
}

/** What the Dockerfile itself says has to be what the lock file says. */
function disagree(
  read: ReadLock,
  source: SourceIdentity,
  written: string,
  locked: string,
  location: SourceLocation | undefined,
): never {
  throw new LockError(
    `${describeSource(source)}: the Dockerfile says ${written}, ${read.file} says ${locked}`,
    location,
    { hint: 'if the Dockerfile is right: wiac lock' },
  );
}

function checkImage(
  read: ReadLock,
  { name, platform, digest, index }: LockedImage,
  own: string | undefined,
  location: SourceLocation | undefined,
): void {
  if (own === undefined || own === digest || own === index) return;
  disagree(read, { kind: 'image', name, platform }, own, index ?? digest, location);
}

function checkRemote(
  read: ReadLock,
  found: LockedSource,
  { checksum }: RemoteSource,
  location: SourceLocation | undefined,
): void {
  if (checksum === undefined || found.kind === 'image') return;
  const values = found.kind === 'git' ? [found.commit, found.tag] : [found.checksum];
  if (values.some((value) => value?.startsWith(checksum))) return;
  disagree(read, found, checksum, values[0] ?? '', location);
}

/** The same image by another digest of its own: the Dockerfile was changed and the lock file was not. */
function otherDigest(sources: readonly LockedSource[], wanted: SourceIdentity) {
  return sources.find(
    (source): source is LockedImage =>
      source.kind === 'image' &&
      wanted.kind === 'image' &&
      source.platform === wanted.platform &&
      withoutDigest(source.name) === withoutDigest(wanted.name),
  );
}

/** Opens a lock file for a build. */
export function openPins(read: ReadLock, { locked }: PinOptions): Pins {
  const { file, lock } = read;
  const known = new Map(lock.sources.map((source) => [sourceKey(source), source]));
  const missing = new Map<string, SourceIdentity>();
  const lack = (source: SourceIdentity, location: SourceLocation | undefined): undefined => {
    if (locked)
      throw new LockError(`${describeSource(source)} is not in ${file}`, location, {
        hint: 'wiac lock adds it; without --locked it is resolved as without a lock file',
      });
    if (source.kind === 'image') missing.set(sourceKey(source), source);
    return undefined;
  };
  return {
    file,
    image: (reference, platform, location) => {
      const wanted = imageIdentity(reference, platform);
      const own = ownDigest(parseReference(reference));
      const exact = known.get(sourceKey(wanted));
      if (exact?.kind === 'image') {
        checkImage(read, exact, own, location);
        return exact;
      }
      const other = own === undefined ? undefined : otherDigest(lock.sources, wanted);
      if (other) checkImage(read, other, own, location);
      return other ?? lack(wanted, location);
    },
    remote: (source, location) => {
      const wanted = remoteIdentity(source);
      const found = known.get(sourceKey(wanted));
      if (!found || found.kind === 'image') return lack(wanted, location);
      checkRemote(read, found, source, location);
      return { content: found.kind === 'git' ? found.commit : found.checksum, by: file };
    },
    // Before the images are known a plan may ask for URLs that it does not want in the end.
    warnings: ({ steps }) => {
      const fetched = steps.flatMap((step) =>
        step.kind === 'fetch' && !step.pinned ? [remoteIdentity(step.source)] : [],
      );
      const all = [...missing.values(), ...fetched].map(describeSource);
      return [...new Set(all)].map(
        (what) => `${what} is not in ${file} and was resolved anew: wiac lock adds it`,
      );
    },
  };
}
