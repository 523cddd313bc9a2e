/** One build from beginning to end: plan in, lowerdir string and image out. */

import { touchEntries } from '../cache/entries.js';
import { imageRecord, publishImage } from '../cache/images.js';
import { layerLink, lazyScratch } from '../cache/layer-store.js';
import type { ImageRecord, InlineCache } from '../cache/records.js';
import { forgetRemoteLayers } from '../cache/remote-layers.js';
import { indexScanStore } from '../cache/scan-store.js';
import type { Store } from '../cache/store.js';
import { asStoreError } from '../cache/store.js';
import type { FileSource } from '../context/source.js';
import type { Isolation } from '../exec/container.js';
import { formatLowerdirs } from '../exec/overlay.js';
import type { HistoryEntry } from '../image/config.js';
import type { DefinitionKey } from '../keys/digest.js';
import type { ResolvedImage } from '../oci/image.js';
import type { Plan } from '../plan/plan.js';
import type { Step } from '../plan/step.js';
import type { EventSink } from './events.js';
import type { CacheTarget } from './export-cache.js';
import { createHash64 } from './hash64.js';
import type { LayerOrigins } from './needed-layers.js';
import { MissingLayersError, needLayers } from './needed-layers.js';
import type { Resolution } from './scheduler.js';
import { resolvePlan } from './scheduler.js';
import type { BuildSession } from './session.js';
import type { CacheSource } from './shared-cache.js';
import { openSharedCache } from './shared-cache.js';

/** What a build needs besides its plan. */
export interface BuildRequest {
  readonly plan: Plan;
  readonly store: Store;
  /** The images that the plan is based on, by reference. */
  readonly images: ReadonlyMap<string, ResolvedImage>;
  /** Opens a build context by its name, '' is the main one. */
  readonly openContext: (name: string) => FileSource;
  readonly isolation: Isolation;
  /** Is this step to be run although the cache may have it? */
  readonly skipsCache: (step: Step) => boolean;
  readonly secret: (id: string) => Buffer | undefined;
  readonly sshSocket: (id: string) => string | undefined;
  /** How many steps may run at the same time. */
  readonly jobs: number;
  /** Names the result gets. */
  readonly names: readonly string[];
  /** Keep the result so that it can be found by name or id. */
  readonly keepImage: boolean;
  /** Caches to look into that are not on this machine, in this order. */
  readonly cacheFrom: readonly CacheSource[];
  /** Where the build's entries go when it is done. */
  readonly cacheTo: readonly CacheTarget[];
  readonly emit: EventSink;
  /** Aborted from outside (SIGINT); its reason is what the build throws then. */
  readonly signal: AbortSignal;
}

/** What a build leaves. */
export interface BuildResult {
  readonly image: ImageRecord;
  /** Layer directories, topmost first, as overlayfs takes them. */
  readonly lowerdirs: string;
}

/** Opens each context once. */
export function once(open: (name: string) => FileSource): (name: string) => FileSource {
  const opened = new Map<string, FileSource>();
  return (name) => {
    const context = opened.get(name) ?? open(name);
    opened.set(name, context);
    return context;
  };
}

/** Counts up from 1. */
function counter(): () => number {
  let number = 0;
  return () => {
    number += 1;
    return number;
  };
}

/** A layer that a step did not make after all is an empty one for the image's history. */
function historyOf(plan: Plan, { states }: Resolution): HistoryEntry[] {
  const parents = new Map(plan.steps.map((step) => [step.id, step.parent]));
  return plan.history.map(({ created_by, empty_layer, step }) => {
    const parent = parents.get(step);
    const below = parent === undefined ? 0 : (states.get(parent)?.layers.length ?? 0);
    const made = (states.get(step)?.layers.length ?? 0) > below;
    return { created_by, empty_layer: empty_layer || !made };
  });
}

/**
 * Resolves a plan and makes sure that the files of its result are here. A layer that the cache knew
 * of and that nobody delivers any more is given up, and the plan resolved again without it.
 */
async function resolveResult(
  session: Omit<BuildSession, 'signal'>,
  request: BuildRequest,
): Promise<Resolution & { readonly used: readonly DefinitionKey[] }> {
  const { plan, jobs } = request;
  for (;;) {
    const stopper = new AbortController();
    const stop = (reason: unknown) => {
      if (!stopper.signal.aborted) stopper.abort(reason);
    };
    const onAbort = () => stop(request.signal.reason);
    request.signal.addEventListener('abort', onAbort, { once: true });
    if (request.signal.aborted) onAbort();
    const attempt = { ...session, signal: stopper.signal };
    try {
      const resolution = await resolvePlan(attempt, plan, jobs, stop);
      await needLayers(attempt, resolution.states.get(plan.target)?.layers ?? []);
      return resolution;
    } catch (error) {
      if (!(error instanceof MissingLayersError)) throw error;
      forgetRemoteLayers(session.store.index, error.layers);
    } finally {
      request.signal.removeEventListener('abort', onAbort);
    }
  }
}

/** Writes the caches of --cache-to. @returns what goes into the image itself */
async function exportCaches(
  session: BuildSession,
  { plan, cacheTo }: BuildRequest,
  states: Resolution['states'],
): Promise<InlineCache | undefined> {
  if (cacheTo.length === 0) return undefined;
  const { exportCache } = await import('./export-cache.js');
  return exportCache(session, plan, states, cacheTo, (message) =>
    session.emit({ type: 'warning', message }),
  );
}

/**
 * Carries a plan out.
 * @throws whatever made the first step fail; nothing is left running or mounted then
 */
export async function build(request: BuildRequest): Promise<BuildResult> {
  const { plan, store, emit, skipsCache, secret, sshSocket, isolation, signal } = request;
  const started = Date.now();
  emit({ type: 'planned', steps: plan.steps });
  for (const message of plan.warnings) emit({ type: 'warning', message });
  const scratch = lazyScratch(store.paths);
  const scanStore = indexScanStore(store.index, await createHash64());
  const origins: LayerOrigins = new Map();
  const warn = (message: string) => emit({ type: 'warning', message });
  try {
    const session: BuildSession = {
      store,
      scanStore,
      context: once(request.openContext),
      scratch: scratch.path,
      platform: plan.platform,
      isolation,
      image: (reference) => request.images.get(reference),
      origins,
      sharedCache: openSharedCache({ store, origins, warn }, request.cacheFrom),
      skipsCache,
      secret,
      sshSocket,
      nextNumber: counter(),
      emit,
      signal,
    };
    const resolution = await resolveResult(session, request);
    await touchEntries(store.index, resolution.used);
    const layers = resolution.states.get(plan.target)?.layers ?? [];
    scanStore.flush();
    const cache = await exportCaches(session, request, resolution.states);
    const made = imageRecord({
      layers,
      config: plan.config,
      history: historyOf(plan, resolution),
      ...(cache === undefined ? {} : { cache }),
    });
    // Every image holds on to its layers: a result that nobody can ask for by name must not.
    const image = request.keepImage ? await publishImage(store.index, made, request.names) : made;
    const { cached, executed } = resolution;
    emit({ type: 'built', durationMs: Date.now() - started, cached, executed });
    const links = [...layers].reverse().map((id) => layerLink(store.paths, id));
    return { image, lowerdirs: formatLowerdirs(links) };
  } catch (error) {
    throw asStoreError(store.paths.root, error);
  } finally {
    scratch.remove();
  }
}
