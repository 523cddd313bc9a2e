/** Several targets that are built again whenever something changes that one of them depends on. */
import { constants } from 'node:os';
import type { ImageRecord } from '../../store/records.js';
import type { Store } from '../../store/store.js';
import type { WiacError } from '../../util/errors.js';
import { InterruptedError, UsageError } from '../../util/errors.js';
import type { DockerfileBuild, DockerfileResult } from '../build-dockerfile.js';
import type { EventSink } from '../events.js';
import { isElsewhere } from '../inputs/build-input.js';
import { changeBell } from '../watch/change-bell.js';
import type { HeldEvents } from '../watch/held-events.js';
import { holdEvents } from '../watch/held-events.js';
import { isMendable, isOutdated } from '../watch/outdated.js';
import { requirePlaces, watchPlaces } from '../watch/watch-places.js';

/** A target that is watched. */
export interface WatchedTarget {
  readonly name: string;
  readonly request: DockerfileBuild;
  /** As in TargetBuild. */
  readonly needs: ReadonlyMap<string, string>;
}

/** Builds all targets once, and does with the results what is to be done. */
export type BakePass = (
  signal: AbortSignal,
  /** Stands before what takes the events of a target. */
  observe: (target: string, sink: EventSink) => EventSink,
) => Promise<ReadonlyMap<string, DockerfileResult>>;

type Results = ReadonlyMap<string, DockerfileResult>;

/** The images of the targets that one is made of; undefined when one of them has none yet. */
function resultsFor({ needs }: WatchedTarget, results: Results) {
  const found = new Map<string, readonly ImageRecord[]>();
  for (const [context, name] of needs) {
    const platforms = results.get(name)?.platforms;
    if (!platforms) return undefined;
    found.set(
      context,
      platforms.map(({ result }) => result.image),
    );
  }
  return found;
}

/** @throws UsageError when nothing of them is on this machine */
function localTargets(targets: readonly WatchedTarget[]): WatchedTarget[] {
  const local = targets.filter(({ request }) => !isElsewhere(request.context, request.file));
  if (local.length === 0)
    throw new UsageError('--watch needs files of this machine', {
      hint: 'the contexts of all targets are elsewhere',
    });
  for (const { request } of local) requirePlaces(request);
  return local;
}

/**
 * Builds, and builds again after each change that makes a difference to a target.
 * @param apart directories below which nothing is watched: the store
 * @param failed told of what the next change may mend
 * @throws the signal's reason, in the end; UsageError, StoreError, and what watchPlaces throws
 */
export async function watchBake(
  store: Store,
  targets: readonly WatchedTarget[],
  apart: readonly string[],
  signal: AbortSignal,
  pass: BakePass,
  failed: (error: WiacError) => Promise<void>,
): Promise<never> {
  const bell = changeBell();
  let hasOtherPlaces = false;
  const local = localTargets(targets);
  const open = () =>
    local.map(({ request: { platforms: _, ...places } }) =>
      watchPlaces(places, apart, ({ isOfInstructions }) => {
        hasOtherPlaces ||= isOfInstructions;
        bell.ring();
      }),
    );
  let watched = open();
  const close = (): void => {
    for (const one of watched) one.close();
  };
  let results: Results = new Map();
  let held = new Map<string, HeldEvents>();
  const isDue = async (): Promise<boolean> => {
    for (const target of local) {
      const events = held.get(target.name);
      const images = resultsFor(target, results);
      // One that was never looked up waits for another one.
      if (!events || !images) continue;
      if (await isOutdated(store, { ...target.request, results: images }, events)) return true;
    }
    return false;
  };
  /** What was said of the last pass. */
  let said: string | undefined;
  /** One pass, which ends early when it is out of date. @returns did something change meanwhile? */
  const attempt = async (): Promise<boolean> => {
    held = new Map();
    const [outdated, over] = [new AbortController(), new AbortController()];
    let changed = false;
    const watch = async (): Promise<void> => {
      while (!outdated.signal.aborted) {
        await bell.heard(over.signal);
        changed = true;
        if (await isDue())
          outdated.abort(new InterruptedError('SIGTERM', constants.signals.SIGTERM));
      }
    };
    const watching = watch().catch((reason: unknown) => {
      if (reason !== over.signal.reason) throw reason;
    });
    const observe = (name: string, sink: EventSink): EventSink => {
      const events = holdEvents(() => sink);
      events.release();
      held.set(name, events);
      return events.emit;
    };
    try {
      results = await pass(AbortSignal.any([signal, outdated.signal]), observe);
      said = undefined;
    } catch (error) {
      if (outdated.signal.aborted && !signal.aborted) return true;
      if (!isMendable(error)) throw error;
      if (said !== error.message) await failed(error);
      said = error.message;
    } finally {
      over.abort(over);
      await watching;
    }
    return changed;
  };
  try {
    for (;;) {
      let changed = await attempt();
      do {
        if (!changed) await bell.heard(signal);
        changed = false;
        if (hasOtherPlaces) {
          hasOtherPlaces = false;
          close();
          watched = open();
        }
      } while (!(await isDue()));
    }
  } finally {
    close();
  }
}
