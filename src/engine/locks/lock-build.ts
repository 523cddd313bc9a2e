/** Writes the lock file of a Dockerfile: `wiac lock`. */
import { pipeline } from 'node:stream/promises';
import type { LockedImage, LockedSource, LockFile } from '../../lock/lock-file.js';
import { formatLock, sourceKey } from '../../lock/lock-file.js';
import type { Renewal } from '../../lock/lock-inputs.js';
import { isNamed, isRenewed, ownValue } from '../../lock/lock-inputs.js';
import { agrees, keptHere, openLockedInputs } from '../../lock/locked-inputs.js';
import type { LockChange } from '../../lock/merge-lock.js';
import { compareLocks, mergeLock } from '../../lock/merge-lock.js';
import { ImageError } from '../../oci/image-error.js';
import { parsePlatform } from '../../oci/platform.js';
import { formatReference, parseReference } from '../../oci/reference.js';
import type { Digest } from '../../oci/resolved-image.js';
import { writeWhole } from '../../oci/write-file.js';
import { lazyScratch } from '../../store/layers/layer-store.js';
import type { Store } from '../../store/store.js';
import { LockError, NotFoundError, UsageError } from '../../util/errors.js';
import type { ImageAccess } from '../images/base-images.js';
import type { BuildInput } from '../inputs/build-input.js';
import type { LockPlace } from '../inputs/lock-place.js';
import { getSignal, openDockerfile } from '../plan-dockerfile.js';
import type { LockRequest } from './find-inputs.js';
import { findInputs, lockScope } from './find-inputs.js';
import { readLock } from './open-lock.js';
import type { ResolveSession } from './resolve-inputs.js';
import { resolveInput } from './resolve-inputs.js';

/** What `lockBuild` did. */
export interface LockResult {
  /** Path of the lock file. */
  readonly file: string;
  /** What became of the file; `changed` is also one in which only the uses or platforms differ. */
  readonly state: 'new' | 'changed' | 'same';
  readonly changes: readonly LockChange[];
  readonly warnings: readonly string[];
}

/** @throws UsageError for a Dockerfile that has no place of its own on this machine */
function writablePlace({ lockPlace }: BuildInput): LockPlace & { readonly path: string } {
  if (lockPlace?.path !== undefined) return { ...lockPlace, path: lockPlace.path };
  throw new UsageError(
    'the lock file is written beside the Dockerfile, which must be a file here',
    {
      hint: 'give the directory that holds it, and its path with -f FILE',
    },
  );
}

/** @throws NotFoundError for a name that means no source of the lock file */
function checkNames(lock: LockFile, renewal: Renewal): void {
  if (renewal === 'all') return;
  const unknown = renewal.find((name) => !lock.sources.some((source) => isNamed(name, source)));
  if (unknown === undefined) return;
  throw new NotFoundError(`--update ${unknown}: the lock file has no such source`, {
    hint: `it has: ${lock.sources.map(({ name }) => name).join(', ') || 'none'}`,
  });
}

/**
 * An image that the lock file has for another platform: this one comes from the same index, so that
 * all platforms are of one release.
 */
function fromSameIndex(
  sources: readonly LockedSource[],
  request: LockRequest,
): NonNullable<ImageAccess['open']> {
  return async ({ reference, platform }, opened) => {
    const parsed = parseReference(reference);
    if (parsed.kind !== 'registry') return undefined;
    const name = formatReference(parsed);
    const sibling = sources.find(
      (source): source is LockedImage => source.kind === 'image' && source.name === name,
    );
    if (sibling?.index === undefined) return undefined;
    const { registrySource } = await import('../../oci/registry/registry.js');
    const { kind, host, repository } = parsed;
    const byIndex = { kind, host, repository, digest: sibling.index as Digest };
    const { environment = {}, registry } = request;
    const source = registrySource(byIndex, { environment, ...registry });
    opened.push(source);
    try {
      return await source.resolve(parsePlatform(platform));
    } catch (error) {
      // The registry keeps it no more: then it is the tag that says what the image is.
      if (error instanceof ImageError && error.status === 404) return undefined;
      throw error;
    }
  };
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeWhole(path, (file) => pipeline([text], file));
  } catch (cause) {
    throw new LockError(`${path} can't be written: ${(cause as Error).message}`, undefined, {
      hint: 'wiac lock writes beside the Dockerfile',
      cause,
    });
  }
}

function withLineFeeds(text: string): string {
  return text.replaceAll('\r\n', '\n');
}

async function lockInput(
  session: ResolveSession,
  input: BuildInput,
  renewal: Renewal,
): Promise<LockResult> {
  const { store, request } = session;
  const place = writablePlace(input);
  const read = readLock(input);
  const before = read?.lock ?? {
    dockerfile: place.dockerfile,
    platforms: [],
    allowNetwork: [],
    sources: [],
  };
  checkNames(before, renewal);
  const scope = lockScope(request, before);
  const kept = before.sources.filter((source) => !isRenewed(renewal, source));
  const keptLock = { ...before, sources: kept };
  const lockedInputs = openLockedInputs(
    { file: place.title, text: read?.text ?? '', lock: keptLock },
    { locked: false, writing: true },
  );
  const found = await findInputs(store, input, request, scope, {
    lockedInputs,
    open: fromSameIndex(kept, request),
  });
  const known = new Map(kept.map((source) => [sourceKey(source), source]));
  const sources: LockedSource[] = [];
  const warnings = [...found.warnings];
  for (const one of found.inputs) {
    const old = known.get(sourceKey(one.identity));
    const source =
      old && agrees(old, ownValue(one))
        ? { ...old, usedBy: one.usedBy }
        : await resolveInput(session, one, found.images);
    if (source) sources.push(source);
    else warnings.push(keptHere(one.identity));
  }
  const after = mergeLock(before, sources, scope);
  const text = formatLock(after);
  const isSame = read !== undefined && withLineFeeds(read.text) === text;
  // git may check files out with the line ends of Windows; as cargo, wiac leaves them as they are.
  const hasReturns = read?.text.includes('\r\n') ?? false;
  if (!isSame) await write(place.path, hasReturns ? text.replaceAll('\n', '\r\n') : text);
  const state = isSame ? 'same' : read ? 'changed' : 'new';
  return { file: place.path, state, changes: compareLocks(before, after), warnings };
}

/**
 * Writes the lock file of a Dockerfile, as a whole or not at all. What is in it stays as it is, what
 * is missing is added, and what no stage uses is left out.
 * @param renewal sources that are asked for anew
 * @throws LockError, UsageError, NotFoundError, ImageError, ContextError, DockerfileError
 */
export async function lockBuild(
  store: Store,
  request: LockRequest,
  renewal: Renewal = [],
): Promise<LockResult> {
  const { input, close } = await openDockerfile(store, request);
  const scratch = lazyScratch(store.paths);
  const signal = getSignal(request);
  try {
    return await lockInput({ store, request, scratch: scratch.path, signal }, input, renewal);
  } finally {
    scratch.remove();
    close();
  }
}
