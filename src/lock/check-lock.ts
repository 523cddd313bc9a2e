/** Is a lock file complete and current for a Dockerfile? Pure. */
import type { SourceLocation } from '../util/errors.js';
import { describeSource, sourceKey } from './lock-file.js';
import type { LockInput } from './lock-inputs.js';
import type { ReadLock } from './locked-inputs.js';
import { coversAll, type MergeScope } from './merge-lock.js';
import { sourceLocation } from './parse-lock.js';

/** Something that is not as it should be. */
export interface LockProblem {
  readonly problem: 'missing' | 'unused' | 'no such step';
  readonly message: string;
  /** In the Dockerfile for what is missing, else in the lock file. */
  readonly location: SourceLocation | undefined;
}

/**
 * @param inputs all that the Dockerfile asks for
 * @param scope what they are the inputs of
 * @param unusedSteps names of allow-network that mean no step
 */
export function checkLock(
  { file, text, lock }: ReadLock,
  inputs: readonly LockInput[],
  { whole, platforms }: MergeScope,
  unusedSteps: readonly string[],
): LockProblem[] {
  const known = new Set(lock.sources.map(sourceKey));
  const used = new Set(inputs.map(({ identity }) => sourceKey(identity)));
  const missing = inputs
    .filter(({ identity }) => !known.has(sourceKey(identity)))
    .map(({ identity, location }): LockProblem => {
      const message = `${describeSource(identity)} is not in ${file}`;
      return { problem: 'missing', message, location };
    });
  if (!whole) return missing;
  const unused = lock.sources
    .filter(
      (source) =>
        coversAll(lock, platforms) ||
        source.kind !== 'image' ||
        platforms.includes(source.platform),
    )
    .filter((source) => !used.has(sourceKey(source)))
    .map((source): LockProblem => {
      const { name } = source;
      const detail = source.kind === 'image' ? source.platform : undefined;
      const location = sourceLocation(file, text, { name, detail });
      return { problem: 'unused', message: `nothing uses ${describeSource(source)}`, location };
    });
  const steps = unusedSteps.map((name): LockProblem => {
    const location = sourceLocation(file, text, { name });
    return {
      problem: 'no such step',
      message: `allow-network: there is no step ${name}`,
      location,
    };
  });
  return [...missing, ...unused, ...steps];
}
