/** What a lock file says about the inputs of a build, and which of them it does not know. Pure. */
import { parseReference } from '../oci/reference.js';
import type { Plan } from '../plan/plan.js';
import type { RemoteSource } from '../plan/remote.js';
import type { LockedContent } from '../plan/step.js';
import type { SourceLocation } from '../util/errors.js';
import { LockError } from '../util/errors.js';
import { imageIdentity, ownDigest, remoteIdentity, withoutDigest } from './identify.js';
import type { LockedImage, LockedSource, LockFile, SourceIdentity } from './lock-file.js';
import { describeSource, lockedValue, sourceKey } from './lock-file.js';

/** A lock file with the text that it was read from. */
export interface ReadLock {
  /** What messages call it. */
  readonly file: string;
  readonly text: string;
  readonly lock: LockFile;
}

/** The lockedInputs of one build. Each function takes the instruction that asks. */
export interface LockedInputs {
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
  ) => LockedContent | undefined;
  /**
   * One warning for each input of a plan that is not in the lock file.
   * @param contexts named contexts of the network
   * @param isLocal is the image kept on this machine alone?
   */
  readonly warnings: (
    plan: Pick<Plan, 'steps'>,
    contexts: readonly RemoteSource[],
    isLocal: (reference: string, platform: string) => boolean,
  ) => string[];
}

/** How strictly a lock file is taken. */
export interface LockedInputsOptions {
  /** --locked: an input that is not in it is an error. */
  readonly locked: boolean;
  /** The lock file is about to be written: what the Dockerfile says goes before what it says. */
  readonly writing?: boolean;
}

/** Is a source what the Dockerfile itself says of it, by a digest or --checksum? */
export function agrees(source: LockedSource, own: string | undefined): boolean {
  if (own === undefined) return true;
  switch (source.kind) {
    case 'image':
      return own === source.digest || own === source.index;
    case 'git':
      return source.commit.startsWith(own) || source.tag?.startsWith(own) === true;
    case 'http':
      return own === source.checksum;
  }
}

/** @throws LockError that names both */
function requireAgreement(
  { file }: ReadLock,
  source: LockedSource,
  own: string | undefined,
  location: SourceLocation | undefined,
): void {
  if (agrees(source, own)) return;
  const locked = (source.kind === 'image' ? source.index : undefined) ?? lockedValue(source);
  throw new LockError(
    `${describeSource(source)}: the Dockerfile says ${own}, ${file} says ${locked}`,
    location,
    { hint: 'if the Dockerfile is right: wiac lock' },
  );
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

/** What is said of an image that no other machine could ask for. */
export function keptHere(source: SourceIdentity): string {
  return `${describeSource(source)} is kept on this machine alone and can't be locked: push it to a registry, and remove it here`;
}

/** Opens a lock file for a build. */
export function openLockedInputs(
  read: ReadLock,
  { locked, writing = false }: LockedInputsOptions,
): LockedInputs {
  const { file, lock } = read;
  const known = new Map(lock.sources.map((source) => [sourceKey(source), source]));
  const lack = (source: SourceIdentity, location: SourceLocation | undefined): undefined => {
    if (!locked) return undefined;
    throw new LockError(`${describeSource(source)} is not in ${file}`, location, {
      hint: 'wiac lock adds it; without --locked it is resolved as without a lock file',
    });
  };
  /** The image, or the same one by another digest of its own. */
  const findImage = (reference: string, platform: string): LockedImage | undefined => {
    const wanted = imageIdentity(reference, platform);
    const exact = known.get(sourceKey(wanted));
    if (exact?.kind === 'image') return exact;
    const own = ownDigest(parseReference(reference));
    return own === undefined ? undefined : otherDigest(lock.sources, wanted);
  };
  return {
    file,
    image: (reference, platform, location) => {
      const found = findImage(reference, platform);
      if (!found) return lack(imageIdentity(reference, platform), location);
      const own = ownDigest(parseReference(reference));
      if (writing && !agrees(found, own)) return undefined;
      requireAgreement(read, found, own, location);
      return found;
    },
    remote: (source, location) => {
      const wanted = remoteIdentity(source);
      const found = known.get(sourceKey(wanted));
      if (!found || found.kind === 'image') return lack(wanted, location);
      requireAgreement(read, found, source.checksum, location);
      return { content: lockedValue(found), by: file };
    },
    warnings: ({ steps }, contexts, isLocal) => {
      const missing = (source: SourceIdentity) =>
        `${describeSource(source)} is not in ${file} and was resolved anew: wiac lock adds it`;
      const all = steps.flatMap((step): string[] => {
        if (step.kind === 'fetch') return step.locked ? [] : [missing(remoteIdentity(step.source))];
        if (step.kind !== 'source' || step.digest === undefined) return [];
        const { reference, platform } = step;
        if (findImage(reference, platform)) return [];
        const identity = imageIdentity(reference, platform);
        return [isLocal(reference, platform) ? keptHere(identity) : missing(identity)];
      });
      const unknown = contexts
        .map(remoteIdentity)
        .filter((identity) => !known.has(sourceKey(identity)));
      return [...new Set([...all, ...unknown.map(missing)])];
    },
  };
}
