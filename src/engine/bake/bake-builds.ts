/**
 * Builds several targets at once in one store. A step that two of them need is run by one: the other waits for
 * its lease, and then finds it. All of them share the places for steps that run.
 */
import { setMaxListeners } from 'node:events';
import type { DefinitionKey } from '../../keys/digest.js';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import { stoppable } from '../../util/stoppable.js';
import type { DockerfileBuild, DockerfileResult } from '../build-dockerfile.js';
import { buildDockerfile } from '../build-dockerfile.js';
import { stepLimits, stepSlots } from '../step-slots.js';

/** One target. */
export interface TargetBuild {
  readonly name: string;
  readonly request: DockerfileBuild;
  /** Contexts that are results of other targets: their names, by the names of the contexts. */
  readonly needs: ReadonlyMap<string, string>;
  /**
   * Called before it begins and before its result is written: what other targets have written may have changed
   * what a path means. @throws when it may not go on
   */
  readonly check?: () => void;
  /** What is done with the result; the whole is over when that is. */
  readonly finish?: (result: DockerfileResult) => Promise<void>;
  /** Told why there is none; the whole is over when it has ended. */
  readonly onError?: (error: unknown) => Promise<void>;
}

/** The images of a result, one for each platform. */
function images({ platforms }: DockerfileResult): ImageRecord[] {
  return platforms.map(({ result }) => result.image);
}

/**
 * @param builds none of them needs itself, through whatever others
 * @param jobs how many steps may run at the same time, of all targets together
 * @returns results by name
 * @throws the first error; the other builds are stopped by it, and nothing is left running
 */
export function bakeBuilds(
  store: Store,
  builds: readonly TargetBuild[],
  outside: AbortSignal,
  jobs?: number,
): Promise<ReadonlyMap<string, DockerfileResult>> {
  const inSlot = stepSlots(stepLimits(jobs));
  const madeNow = new Set<DefinitionKey>();
  return stoppable(outside, async (signal, stop) => {
    // Each step of each target listens.
    setMaxListeners(0, signal);
    const begun = new Map<string, Promise<DockerfileResult>>();
    const build = async ({
      request,
      needs,
      check,
      finish,
    }: TargetBuild): Promise<DockerfileResult> => {
      const results = await Promise.all(
        [...needs].map(async ([context, name]): Promise<[string, ImageRecord[]]> => {
          const needed = targets.get(name);
          if (!needed) throw new Error(`there is no target ${name}`);
          return [context, images(await begin(needed))];
        }),
      );
      signal.throwIfAborted();
      check?.();
      const shared = { inSlot, madeNow, signal };
      const made = { ...request, ...shared, results: new Map(results) };
      const result = await buildDockerfile(store, made);
      check?.();
      await finish?.(result);
      return result;
    };
    const targets = new Map(builds.map((target) => [target.name, target]));
    const begin = (target: TargetBuild): Promise<DockerfileResult> => {
      const known = begun.get(target.name);
      if (known) return known;
      const promise = build(target).catch(async (error: unknown) => {
        stop(error);
        await target.onError?.(error);
        throw error;
      });
      // Whoever waits for all of them tells of it.
      promise.catch(() => {});
      begun.set(target.name, promise);
      return promise;
    };
    await Promise.allSettled(builds.map(begin));
    signal.throwIfAborted();
    const done = builds.map(async (target) => [target.name, await begin(target)] as const);
    return new Map(await Promise.all(done));
  });
}
