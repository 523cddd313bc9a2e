/** The lock file of a build: found beside the Dockerfile, read, and held against the plan. */
import { networkPolicy } from '../../lock/allow-network.js';
import { lockPath } from '../../lock/lock-file.js';
import type { LockedInputs, ReadLock } from '../../lock/locked-inputs.js';
import { openLockedInputs } from '../../lock/locked-inputs.js';
import { MAX_LOCK_BYTES, parseLock } from '../../lock/parse-lock.js';
import type { Plan, PlanOptions } from '../../plan/plan.js';
import type { RemoteSource } from '../../plan/remote.js';
import { LockError, UsageError } from '../../util/errors.js';
import type { PlanImages } from '../images/plan-images.js';
import type { BuildInput } from '../inputs/build-input.js';
import type { LockPlace } from '../inputs/lock-place.js';
import type { DockerfileRequest } from '../request.js';
import { imageDigests } from './image-digests.js';

const PROBLEMS = {
  outside: 'it is a link that leads out of its directory',
  'no file': 'it is no file',
  'not UTF-8': 'it is not UTF-8',
  'too large': `it is larger than ${MAX_LOCK_BYTES >> 20} MiB`,
};

function refuse(title: string, problem: string, cause?: unknown): never {
  throw new LockError(`${title} can't be read: ${problem}`, undefined, {
    hint: 'remove it, then wiac lock; or build without it: --lock=ignore',
    cause,
  });
}

function readText({ title, read }: LockPlace): string | undefined {
  try {
    const found = read();
    if (found.kind === 'text') return found.text;
    return found.kind === 'missing' ? undefined : refuse(title, PROBLEMS[found.kind]);
  } catch (error) {
    if (error instanceof LockError) throw error;
    return refuse(title, (error as Error).message, error);
  }
}

/** The lock file of a Dockerfile; undefined when there is none. @throws LockError */
export function readLock({ lockPlace }: Pick<BuildInput, 'lockPlace'>): ReadLock | undefined {
  const text = lockPlace && readText(lockPlace);
  if (lockPlace === undefined || text === undefined) return undefined;
  const { title, dockerfile } = lockPlace;
  return { file: title, text, lock: parseLock(title, text, dockerfile) };
}

/** The lock file that a request wants to have used. @throws LockError */
export function wantedLock(
  input: Pick<BuildInput, 'lockPlace' | 'name'>,
  { lock = 'use', lockFile }: Pick<DockerfileRequest, 'lock' | 'lockFile'>,
): ReadLock | undefined {
  if (lockFile) return lockFile;
  if (lock === 'ignore') return undefined;
  const read = readLock(input);
  if (read || lock !== 'locked') return read;
  if (!input.lockPlace)
    throw new UsageError('--locked needs a lock file, and this Dockerfile is in no directory', {
      hint: 'give the Dockerfile as a file',
    });
  throw new LockError(
    `there is no lock file ${lockPath(input.name)} beside the Dockerfile`,
    undefined,
    {
      hint: 'wiac lock writes it',
    },
  );
}

/** What a lock file does to a plan. */
export interface LockedPlan {
  readonly options: Pick<PlanOptions, 'lockedContent' | 'mayConnect'>;
  readonly lockedInputs: LockedInputs | undefined;
  /** A source of a named context, as the lock file has it. */
  readonly lockSource: (source: RemoteSource) => RemoteSource;
  /** @param images of the plan */
  readonly warnings: (plan: Plan, images: PlanImages) => string[];
}

/** A source by what a lock file says of it. */
function withLocked(source: RemoteSource, content: string): RemoteSource {
  if (source.type === 'http') return { ...source, checksum: content };
  return { ...source, ref: content, checksum: undefined };
}

/** Opens the lock file of a request. @throws LockError */
export function openLock(input: BuildInput, request: DockerfileRequest): LockedPlan {
  const read = wantedLock(input, request);
  const lockedInputs = read && openLockedInputs(read, { locked: request.lock === 'locked' });
  const contexts: RemoteSource[] = [];
  const network = request.hermetic ? networkPolicy(read?.lock.allowNetwork ?? []) : undefined;
  return {
    lockedInputs,
    options: {
      ...(lockedInputs && { lockedContent: lockedInputs.remote }),
      ...(network && { mayConnect: network.mayConnect }),
    },
    lockSource: (source) => {
      contexts.push(source);
      const found = lockedInputs?.remote(source, undefined);
      return found ? withLocked(source, found.content) : source;
    },
    warnings: (plan, images) => {
      const isLocal = (reference: string, platform: string) => {
        const image = images.get({ reference, platform });
        return image !== undefined && imageDigests(image) === undefined;
      };
      const stages = new Set(plan.steps.map(({ stage }) => stage.toLowerCase()));
      const unused = network?.unused() ?? [];
      return [
        ...(lockedInputs?.warnings(plan, contexts, isLocal) ?? []),
        ...unused
          .filter((name) => stages.has(name.replace(/\/.*$/s, '').toLowerCase()))
          .map((name) => `allow-network: there is no step ${name}`),
      ];
    },
  };
}
