/** One build from beginning to end: plan in, lowerdir string and image out. */

import type { Executor } from '../executor/executor.js';
import type { GetSecret } from '../executor/get-secret.js';
import type { CopySources } from '../executor/local/copy-sources.js';
import type { GivenMachine } from '../executor/local/local-machine.js';
import { formatLowerdirs, withoutRepeats } from '../executor/local/overlay.js';
import type { FileSource } from '../fs/scan/file-source.js';
import { createHash64 } from '../fs/scan/hash64.js';
import type { DefinitionKey } from '../keys/digest.js';
import type { WiacSys } from '../native/wiac-sys.js';
import { lazyWiacSys } from '../native/wiac-sys.js';
import type { HistoryEntry } from '../oci/image-config.js';
import { isWindows } from '../oci/image-config.js';
import type { Plan } from '../plan/plan.js';
import type { Step } from '../plan/step.js';
import { printedStep } from '../plan/step.js';
import type { AgentSource } from '../sources/agent-source.js';
import { concludeBuild } from '../store/entries/conclude.js';
import { indexScanStore } from '../store/entries/scan-store.js';
import { imageRecord } from '../store/images/store-images.js';
import { requirePresent } from '../store/layers/adopt-layer.js';
import { findLayer } from '../store/layers/find-layers.js';
import { stackTree } from '../store/layers/layer-stack.js';
import { layerLinks, lazyScratch } from '../store/layers/layer-store.js';
import { isKnownLayer } from '../store/layers/remote-layers.js';
import { removeLeftLeases } from '../store/pins/lease.js';
import { retryWhenPruned, useLayers } from '../store/pins/uses.js';
import type { ImageRecord, ImageTimes, InlineCache, LayerId } from '../store/records.js';
import { settle } from '../store/recovery/durability.js';
import type { Store } from '../store/store.js';
import { asStoreError } from '../store/store.js';
import { abortable } from '../util/abort.js';
import { UnsupportedError } from '../util/errors.js';
import { stoppable } from '../util/stoppable.js';
import type { BuildSession } from './build-session.js';
import type { EventSink } from './events.js';
import { EVENTS_VERSION } from './events.js';
import type { CacheTarget } from './exports/export-cache.js';
import { openLiveExport } from './exports/live-export.js';
import type { Destination, Elsewhere } from './images/elsewhere.js';
import { findElsewhere } from './images/elsewhere.js';
import type { LayerOrigins } from './images/needed-layers.js';
import { needLayers } from './images/needed-layers.js';
import type { PlanImages } from './images/plan-images.js';
import type { Resolution } from './scheduler.js';
import { resolvePlan } from './scheduler.js';
import type { CacheSource } from './shared-cache.js';
import { openSharedCache } from './shared-cache.js';
import type { ShellRequest } from './step-shells.js';
import { buildShells } from './step-shells.js';
import type { InSlot } from './step-slots.js';
import { getCounter, transferGauge, transferMeter } from './transfers.js';
import { withoutMissing } from './without-missing.js';

/** What a build gives to an executor of this machine. */
export type BuildMachine = Omit<GivenMachine, 'isolation' | 'runtime' | 'limits' | 'network'>;

/** What a build needs besides its plan. */
export interface BuildRequest {
  readonly plan: Plan;
  readonly store: Store;
  /** The images that the plan is based on. */
  readonly images: PlanImages;
  /** Opens a build context by its name, '' is the main one. */
  readonly openContext: (name: string) => FileSource;
  /** Carries out what is not in the cache; what it needs of this machine is given to it. */
  readonly executor: (machine: BuildMachine) => Executor<CopySources>;
  /** Is this step to be run although the cache may have it? */
  readonly skipsCache: (step: Step) => boolean;
  /** Steps that builds at the same time have run for each other, whatever skipsCache says. */
  readonly madeNow?: Set<DefinitionKey> | undefined;
  readonly secret: GetSecret;
  readonly sshAgent: (id: string) => AgentSource | undefined;
  /** Opens shells in the containers of steps that fail, and of others. */
  readonly shells?: ShellRequest | undefined;
  /** Lets a step wait until there is room for it. */
  readonly inSlot: InSlot;
  /** Names the result gets. */
  readonly names: readonly string[];
  /** Times of the result, wherever it is written. */
  readonly times?: ImageTimes | undefined;
  /** Keep the result so that it can be found by name or id. */
  readonly keepImage: boolean;
  /** See DockerfileBuild. */
  readonly outputs: boolean;
  /** Caches to look into that are not on this machine, in this order. */
  readonly cacheFrom: readonly CacheSource[];
  /** Where the build's entries go when it is done. */
  readonly cacheTo: readonly CacheTarget[];
  /** The result goes to registries alone: what they have of it need not be here. */
  readonly destination?: Destination | undefined;
  /** SOURCE_DATE_EPOCH: when the result was made, seconds since 1970. */
  readonly epoch?: number | undefined;
  /** Look for the reason of each miss: a few look-ups a step. */
  readonly explain: boolean;
  /** Proxies, certificates and what git may know. */
  readonly environment: NodeJS.ProcessEnv;
  /** Called with the steps as they were resolved, before the build ends; what it throws ends it. */
  readonly inspect?:
    | ((session: BuildSession, plan: Plan, states: Resolution['states']) => Promise<void>)
    | undefined;
  readonly emit: EventSink;
  /** Aborted from outside (SIGINT); its reason is what the build throws then. */
  readonly signal: AbortSignal;
}

/** What a build leaves. */
export interface BuildResult {
  readonly image: ImageRecord;
  /** Layer directories, topmost first, as overlayfs takes them; empty when some layers are not here. */
  readonly lowerdirs: string;
  /** Layers of the result that were not fetched: its destination has them. */
  readonly elsewhere: Elsewhere;
  /** The layers and the key that each step of the plan came to. */
  readonly states: Resolution['states'];
  /** Number of steps that were carried out. */
  readonly executed: number;
}

/** Contexts that are open, each once. */
export interface OpenContexts {
  readonly get: (name: string) => FileSource;
  readonly close: () => void;
}

/** Opens each context when it is first asked for. */
export function openOnce(open: (name: string) => FileSource): OpenContexts {
  const opened = new Map<string, FileSource>();
  return {
    get: (name) => {
      const context = opened.get(name) ?? open(name);
      opened.set(name, context);
      return context;
    },
    close: () => {
      for (const context of opened.values()) context.close();
    },
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
function getHistory(plan: Plan, { states }: Resolution): HistoryEntry[] {
  const parents = new Map(plan.steps.map((step) => [step.id, step.parent]));
  return plan.history.map(({ step, ...entry }) => {
    const parent = parents.get(step);
    const below = parent === undefined ? 0 : (states.get(parent)?.layers.length ?? 0);
    const made = (states.get(step)?.layers.length ?? 0) > below;
    return { ...entry, empty_layer: entry.empty_layer || !made };
  });
}

/** A resolved plan, with what was found. */
interface Resolved extends Resolution {
  readonly used: readonly DefinitionKey[];
  readonly elsewhere: Elsewhere;
}

/** Resolves a plan and makes sure that the files of its result are here, or where they are to go. */
function resolveResult(
  session: BuildSession,
  { plan, inSlot, destination }: BuildRequest,
): Promise<Resolved> {
  return withoutMissing(session.store, () =>
    stoppable(session.signal, async (signal, stop) => {
      const attempted = { ...session, signal };
      const resolution = await resolvePlan(attempted, plan, inSlot, stop);
      const layers = resolution.states.get(plan.target)?.layers ?? [];
      const elsewhere = await findElsewhere(
        attempted,
        layers,
        destination,
        session.executor.blobRegistry,
      );
      if (elsewhere.size === 0) await needLayers(attempted, layers);
      return { ...resolution, elsewhere };
    }),
  );
}

/** Tells of caches that do not work. What fails because the build is stopped is no news. */
function warnUntilStopped({ emit, signal }: Pick<BuildSession, 'emit' | 'signal'>) {
  return (message: string): void => {
    if (!signal.aborted) emit({ type: 'warning', message });
  };
}

/** Writes the caches of --cache-to. @returns what goes into the image itself */
async function exportCaches(
  session: BuildSession,
  { plan, cacheTo }: BuildRequest,
  states: Resolution['states'],
): Promise<InlineCache | undefined> {
  if (cacheTo.length === 0) return undefined;
  const { exportCache } = await import('./exports/export-cache.js');
  // A build that found every step has declared no use of its layers; their files are read now.
  const layers = [...states.values()].flatMap((state) => state.layers);
  useLayers(
    session.store,
    layers.filter((id) => isKnownLayer(session.store, id)),
  );
  return exportCache(session, plan, states, cacheTo, warnUntilStopped(session));
}

/** What the steps of one attempt share. */
async function openSession(
  request: BuildRequest,
  onPublished: BuildSession['onPublished'],
  context: BuildSession['context'],
  scratch: () => string,
  sys: WiacSys,
): Promise<BuildSession> {
  const { plan, store, images, emit, skipsCache, secret, sshAgent, environment, signal } = request;
  const { madeNow } = request;
  const scanStore = indexScanStore(store, await createHash64());
  const origins: LayerOrigins = new Map();
  const warn = warnUntilStopped(request);
  const stacks = stackTree();
  const meter = transferMeter(emit);
  const sharedCache = openSharedCache({ store, origins, warn, meter, signal }, request.cacheFrom);
  return {
    store,
    scanStore,
    context,
    scratch,
    stacks,
    environment,
    explain: request.explain,
    executor: request.executor({
      store,
      scanStore,
      environment,
      scratch,
      stacks,
      sys,
      nextNumber: counter(),
    }),
    images,
    origins,
    sharedCache,
    shells: request.shells && buildShells(plan, request.shells, emit),
    restoreMount: request.cacheFrom.length > 0 ? sharedCache.restoreMount : undefined,
    skipsCache,
    ...(madeNow && { madeNow }),
    secret,
    credentials: plan.credentials,
    sshAgent,
    emit,
    onPublished,
    signal,
    meter,
    gauge: transferGauge(emit),
  };
}

/** The image that a build's result is. */
function resultImage(
  { plan, epoch, times }: BuildRequest,
  resolution: Resolution,
  layers: readonly LayerId[],
  cache: InlineCache | undefined,
): ImageRecord {
  return imageRecord({
    layers,
    platform: plan.platform,
    manifest: undefined,
    config: plan.config,
    history: getHistory(plan, resolution),
    ...(epoch === undefined ? {} : { epoch }),
    ...(plan.author === undefined ? {} : { author: plan.author }),
    ...(times === undefined ? {} : { times }),
    ...(cache === undefined ? {} : { cache }),
  });
}

/** Nothing when a layer is elsewhere. */
function sizeOf(store: Store, layers: readonly LayerId[]): { bytes?: number } {
  const sizes = layers.map((id) => findLayer(store, id)?.bytes);
  const known = sizes.filter((bytes) => bytes !== undefined);
  if (known.length < sizes.length) return {};
  return { bytes: known.reduce((sum, bytes) => sum + bytes, 0) };
}

/** Everything is looked up, and carried out where that fails; the result is kept. */
async function attempt(
  request: BuildRequest,
  context: BuildSession['context'],
  scratch: () => string,
  sys: WiacSys,
): Promise<BuildResult> {
  const { plan, store, emit } = request;
  const started = performance.now();
  const caches = openLiveExport(() => session, plan, request.cacheTo);
  const session = await openSession(request, caches.add, context, scratch, sys);
  const resolution = await resolveResult(session, request)
    .then(async (resolved) => {
      await request.inspect?.(session, plan, resolved.states);
      return resolved;
    })
    .catch(async (error: unknown) => {
      await caches.abandon();
      throw error;
    })
    .finally(() => session.executor.close?.());
  await caches.end();
  const { states, used, cached, executed, elsewhere } = resolution;
  const layers = states.get(plan.target)?.layers ?? [];
  const here = layers.filter((id) => !elsewhere.has(id));
  session.scanStore.flush();
  // If one was removed by hand, this build says so; otherwise the mount of the result would fail.
  requirePresent(store, here, 'this build');
  const cache = await abortable(session.signal, () => exportCaches(session, request, states)).catch(
    async (error: unknown) => {
      await caches.release();
      throw error;
    },
  );
  // Before the result gets its name and is printed: a name must not lead to what a power cut takes.
  await settle(
    store,
    [...states.values()].flatMap((state) => state.layers.filter((id) => !elsewhere.has(id))),
  );
  const image = concludeBuild(store, {
    used,
    layers: here,
    image: resultImage(request, resolution, layers, cache),
    // Every image holds on to its layers: a result without a name must not.
    names: request.keepImage && elsewhere.size === 0 ? request.names : undefined,
    outputs: request.outputs,
  });
  const durationMs = Math.round(performance.now() - started);
  emit({ type: 'built', durationMs, cached, executed, ...sizeOf(store, layers) });
  const links = withoutRepeats(layerLinks(store.paths, [...layers].reverse()));
  const lowerdirs = elsewhere.size > 0 ? '' : formatLowerdirs(links);
  return { image, lowerdirs, elsewhere, states, executed };
}

/** Layers of Windows have registry hives and files of another system beside their files. */
function refuseWindows(steps: readonly Step[]): void {
  const step = steps.find(({ platform }) => isWindows(platform));
  if (!step) return;
  throw new UnsupportedError(
    `images for ${step.platform} can be planned, not built`,
    step.location,
    {
      hint: 'build them with BuildKit on Windows, or another target of this Dockerfile here',
    },
  );
}

/**
 * Carries a plan out.
 * @throws whatever made the first step fail; nothing is left running or mounted then
 */
export async function build(request: BuildRequest): Promise<BuildResult> {
  const { plan, store, emit } = request;
  refuseWindows(plan.steps);
  emit({ type: 'planned', version: EVENTS_VERSION, steps: plan.steps.map(printedStep) });
  for (const message of plan.warnings) emit({ type: 'warning', message });
  const scratch = lazyScratch(store.paths);
  const sys = lazyWiacSys();
  const gauge = transferGauge(emit, 'context');
  const contexts = openOnce((name) => {
    const source = request.openContext(name);
    const counter = getCounter({ gauge }, 'context', name === '' ? source.title : name);
    return counter ? { ...source, counter } : source;
  });
  try {
    return await retryWhenPruned(
      store,
      () => attempt(request, contexts.get, scratch.path, sys),
      () => {
        removeLeftLeases(store);
        emit({ type: 'warning', message: 'the cache was pruned meanwhile: starting over' });
      },
    );
  } catch (error) {
    // What was done is worth keeping; why the build failed is worth more than why this failed.
    await settle(store).catch(() => {});
    throw asStoreError(store.paths.root, error);
  } finally {
    sys.close();
    contexts.close();
    scratch.remove();
  }
}
