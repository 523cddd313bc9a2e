/** A build that is made again whenever something changes that it depends on. */
import type { Store } from '../../store/store.js';
import type { WiacError } from '../../util/errors.js';
import { StepFailedError } from '../../util/errors.js';
import type { DockerfileBuild, DockerfileResult } from '../build-dockerfile.js';
import { buildDockerfile } from '../build-dockerfile.js';
import type { EventSink } from '../events.js';
import type { ChangeBell } from './change-bell.js';
import { changeBell } from './change-bell.js';
import type { HeldEvents } from './held-events.js';
import { holdEvents } from './held-events.js';
import { isMendable, isOutdated } from './outdated.js';
import { requirePlaces, watchPlaces } from './watch-places.js';

/** Who is told of the builds. A change that selects nothing new is no build, and nothing is told of it. */
export interface WatchListener {
  /** A build begins. @returns takes its events */
  readonly begin: () => EventSink;
  /** It is done. @param isOther its result is not that of the last one that was done */
  readonly built: (result: DockerfileResult, isOther: boolean) => Promise<void>;
  /** It has failed, by what the next change may mend. */
  readonly failed: (error: WiacError) => Promise<void>;
  /** It was ended because something changed meanwhile; the next one begins. */
  readonly outdated: () => Promise<void>;
}

/** The reason that ends a build which somebody has made out of date. */
class OutdatedError extends Error {}

/** What the result is: a build that comes to the same has changed nothing. */
function identify({ platforms }: DockerfileResult): string {
  return JSON.stringify(
    platforms.map(({ result, plan }) => [result.lowerdirs, result.image.layers, plan.config]),
  );
}

/** What has become of the builds before. */
interface Former {
  /** Of the last result. */
  readonly identity: string | undefined;
  /** The last build was it, and this is what was said of it. */
  readonly failed?: { readonly message: string; readonly ran: HeldEvents | undefined };
}

/** One build, which ends early when it is out of date. */
async function attempt(
  store: Store,
  request: WatchedBuild,
  listener: WatchListener,
  bell: ChangeBell,
  former: Former,
): Promise<{ readonly former: Former; readonly changed: boolean }> {
  const outdated = new AbortController();
  const over = new AbortController();
  const events = holdEvents(listener.begin);
  let changed = false;
  const watch = async (): Promise<void> => {
    while (!outdated.signal.aborted) {
      await bell.heard(over.signal);
      changed = true;
      if (await isOutdated(store, request, events)) outdated.abort(new OutdatedError());
    }
  };
  const watching = watch().catch((reason: unknown) => {
    if (reason !== over.signal.reason) throw reason;
  });
  try {
    const signal = AbortSignal.any([request.signal, outdated.signal]);
    const result = await buildDockerfile(store, { ...request, signal, onEvent: events.emit });
    const identity = identify(result);
    const isOther = former.identity !== identity;
    if (isOther || former.failed || events.isReleased()) {
      events.release();
      await listener.built(result, isOther);
    }
    return { former: { identity }, changed };
  } catch (error) {
    const { identity } = former;
    if (outdated.signal.aborted && !request.signal.aborted) {
      await listener.outdated();
      return { former: { identity }, changed: true };
    }
    if (!isMendable(error)) throw error;
    const { message } = error;
    // What was wrong before is still wrong: it was said.
    if (former.failed?.message !== message || events.isReleased()) {
      events.release();
      await listener.failed(error);
    }
    // The same step would fail in the same way.
    const ran = error instanceof StepFailedError ? events : undefined;
    return { former: { identity, failed: { message, ran } }, changed };
  } finally {
    over.abort(over);
    await watching;
  }
}

/** What is built again and again, until the signal says that it is enough. */
export type WatchedBuild = DockerfileBuild & { readonly signal: AbortSignal };

/**
 * Builds, and builds again after each change that makes a difference. A build that is out of date is ended.
 * @param apart directories below which nothing is watched: the store
 * @throws the signal's reason, in the end; UsageError, StoreError, ContextError, and what watchPlaces throws
 */
export async function watchBuild(
  store: Store,
  request: WatchedBuild,
  apart: readonly string[],
  listener: WatchListener,
): Promise<never> {
  const bell = changeBell();
  let hasOtherPlaces = false;
  const { platforms: _, ...places } = request;
  const open = () =>
    watchPlaces(places, apart, ({ isOfInstructions }) => {
      hasOtherPlaces ||= isOfInstructions;
      bell.ring();
    });
  requirePlaces(request);
  let watched = open();
  try {
    let former: Former = { identity: undefined };
    for (;;) {
      const state = await attempt(store, request, listener, bell, former);
      former = state.former;
      let isDue = state.changed;
      while (!isDue) {
        await bell.heard(request.signal);
        const ran = former.failed?.ran;
        isDue = !ran || (await isOutdated(store, request, ran));
      }
      if (!hasOtherPlaces) continue;
      hasOtherPlaces = false;
      watched.close();
      watched = open();
    }
  } finally {
    watched.close();
  }
}
