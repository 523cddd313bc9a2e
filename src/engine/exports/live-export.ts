/**
 * Writes the caches of --cache-to while the build runs, so that a job that fails, or whose machine goes,
 * leaves the steps that it has finished to the next one. What is written at the end is the same with the rest.
 */
import type { DefinitionKey } from '../../keys/digest.js';
import type { Plan } from '../../plan/plan.js';
import type { StepId } from '../../plan/step.js';
import { abortable } from '../../util/abort.js';
import { NOTHING } from '../lookup.js';
import type { CacheTarget, ExportSession } from './export-cache.js';

/** How long a build that is stopped goes on for its caches: runners kill soon after they ask. ms */
const LAST_MS = 5000;

export interface LiveExport {
  /** A step's entry is in the store. */
  readonly add: (step: StepId, key: DefinitionKey) => void;
  /** Waits for what is being written; the caller writes all of it. */
  readonly end: () => Promise<void>;
  /** The build has failed, or is stopped: writes what was finished. Never fails. */
  readonly abandon: () => Promise<void>;
  /** Gives up what still waits for a place: the process would live on with it. Never fails. */
  readonly release: () => Promise<void>;
}

/**
 * @param getSession asked once a step was added
 * @param targets those of one build; caches in images and archives are written once, as a whole
 */
export function openLiveExport(
  getSession: () => ExportSession,
  plan: Plan,
  targets: readonly CacheTarget[],
): LiveExport {
  const live = targets.filter(({ merges }) => merges);
  const pauseMs = Math.max(0, ...live.map((target) => target.pauseMs));
  const keys = new Map<StepId, DefinitionKey>();
  let written = 0;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const over = new AbortController();
  const write = async (signal: AbortSignal): Promise<void> => {
    if (live.length === 0 || keys.size === written) return;
    written = keys.size;
    const states = new Map(
      [...keys].map(([step, key]) => [step, { ...NOTHING, key, maker: step }] as const),
    );
    // Mounts are written once: other steps may be writing to them now.
    const now = live.map((target) => ({ ...target, mounts: undefined }));
    try {
      const { exportCache } = await import('./export-cache.js');
      // A place that answers no more must not keep a build that is stopped.
      await abortable(signal, () =>
        exportCache({ ...getSession(), signal }, plan, states, now, () => {}),
      );
    } catch {
      // What is wrong with the place is said at the end, when all of it is written.
      written = 0;
    }
  };
  const begin = (): void => {
    timer = undefined;
    running = write(AbortSignal.any([getSession().signal, over.signal])).then(() => {
      if (!ended && keys.size > written) schedule();
    });
  };
  const schedule = (): void => {
    timer ??= setTimeout(begin, pauseMs);
  };
  const end = async (): Promise<void> => {
    ended = true;
    clearTimeout(timer);
    await running;
  };
  const release = async (): Promise<void> => {
    await Promise.allSettled(targets.map((target) => target.abandon()));
  };
  return {
    add(step, key) {
      keys.set(step, key);
      if (live.length > 0 && !ended) schedule();
    },
    end,
    async abandon() {
      const last = AbortSignal.timeout(LAST_MS);
      last.addEventListener('abort', () => over.abort(last.reason), { once: true });
      await end();
      await write(last);
      await release();
    },
    release,
  };
}
