/** Builds a Dockerfile, for one platform or several: what `wiac build` and programs call. */
import { sweepControlGroups } from '../executor/local/cgroup.js';
import type { ControlLimits } from '../executor/local/cgroup-limits.js';
import type { Isolation } from '../executor/local/container.js';
import { lazyExecutor } from '../executor/local/lazy-executor.js';
import { lockPath } from '../lock/lock-file.js';
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import { contextName } from '../plan/context-name.js';
import { dockerfileEpoch, EPOCH_ARGUMENT, parseEpoch } from '../plan/epoch.js';
import type { Plan } from '../plan/plan.js';
import type { Step } from '../plan/step.js';
import type { FetchedSource } from '../sources/fetch-context.js';
import type { ImageTimes } from '../store/records.js';
import type { Store } from '../store/store.js';
import { sha256 } from '../util/canonical-json.js';
import { UsageError } from '../util/errors.js';
import type { EventSink } from './events.js';
import { heard } from './heard.js';
import type { BuildInput } from './inputs/build-input.js';
import { remoteContext } from './inputs/build-input.js';
import type { LintEvent } from './lint-build.js';
import { lintBuild } from './lint-build.js';
import { wantedLock } from './locks/open-lock.js';
import { getSignal, openDockerfile, planDockerfile } from './plan-dockerfile.js';
import type { DockerfileRequest } from './request.js';
import type { BuildRequest, BuildResult } from './run-build.js';
import { build as runBuild } from './run-build.js';
import type { SharedCaches } from './shared-caches.js';
import type { InSlot } from './step-slots.js';
import { stepLimits, stepSlots } from './step-slots.js';
import type { Meter } from './transfers.js';
import { transferMeter, unmetered } from './transfers.js';
import { sayingWanted } from './wanted-network.js';

/** What is to be built, and how. Everything that has a default may be left out. */
export interface DockerfileBuild extends Omit<DockerfileRequest, 'platform'> {
  /** `os/architecture[/variant]` each; this machine's by default. They are built one after the other. */
  readonly platforms?: readonly string[] | undefined;
  /**
   * Names that the store keeps the result under: that of this machine's platform if it is among
   * them, else of the first one.
   */
  readonly names?: readonly string[] | undefined;
  /** Keep the result, so that it can be found by its id; with names it always is. */
  readonly keep?: boolean | undefined;
  /** The result is written to outputs then: nobody removes its layers before this process ends. */
  readonly outputs?: boolean | undefined;
  /** Steps that run although the cache may have them: all, or those of stages by name or index. */
  readonly noCache?: boolean | readonly string[] | undefined;
  /** Shared caches to look into, as --cache-from has them. */
  readonly cacheFrom?: readonly string[] | undefined;
  /** Shared caches to write, as --cache-to has them. */
  readonly cacheTo?: readonly string[] | undefined;
  /** Files with public keys: one must have signed each cache of `cacheFrom`. */
  readonly trustKeys?: readonly string[] | undefined;
  /** Content of a secret by its id; asked when a step wants it. */
  readonly secret?: BuildRequest['secret'] | undefined;
  /** Opens shells in the containers of steps that fail, and of others that are asked for. */
  readonly shells?: BuildRequest['shells'];
  /** Where the result goes, if to registries alone: it is not kept here then, as far as they have it. */
  readonly destination?: BuildRequest['destination'];
  /** How many steps may run at the same time; see stepLimits for the default. */
  readonly jobs?: number | undefined;
  /** Shared with other builds, in the place of `jobs`. */
  readonly inSlot?: InSlot | undefined;
  /** Shared with other builds: see BuildRequest. */
  readonly madeNow?: BuildRequest['madeNow'];
  readonly isolation?: Isolation | undefined;
  /** Path of an OCI runtime with runc's command line, which makes the containers of RUN. */
  readonly runtime?: string | undefined;
  /**
   * RUN steps that ask for no network in particular have one of their own, which leads out and not in: pasta or
   * slirp4netns has to be installed. In no key, as all of this machine's sandbox.
   */
  readonly privateNetwork?: boolean | undefined;
  /** What each RUN may use of this machine. */
  readonly limits?: ControlLimits | undefined;
  /** Carries steps out; on this machine by default. */
  readonly executor?: BuildRequest['executor'] | undefined;
  /** See BuildRequest. */
  readonly inspect?: BuildRequest['inspect'];
  /** Time of the image and of all of its files, seconds since 1970. */
  readonly timestamp?: number | undefined;
  /** Files that are younger than SOURCE_DATE_EPOCH get its time. */
  readonly rewriteTimestamp?: boolean | undefined;
  /** Receives what happens. What it throws ends the build. */
  readonly onEvent?: EventSink | undefined;
  /** Say in `started` events why the cache had nothing; true by default where there is onEvent. */
  readonly explain?: boolean | undefined;
  /** Told of what was read before anything is built; what it throws ends the build. */
  readonly onInput?: ((facts: BuildFacts) => void) | undefined;
}

/** What is known of a build before it begins, for its outputs and its provenance. */
export interface BuildFacts {
  readonly dockerfile: { readonly path: string; readonly digest: string; readonly text: string };
  /** The lock file that the inputs are taken from, with its SHA-256 in hex. */
  readonly lockFile: { readonly path: string; readonly digest: string } | undefined;
  /** Where the build context was fetched from, if it was. */
  readonly contextFrom: FetchedSource | undefined;
  /** Names of the contexts that are fetched, '' is the main one. */
  readonly fetchedContexts: readonly string[];
  /** --build-context, by name. */
  readonly contexts: Readonly<Record<string, string>>;
  readonly target: string | undefined;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly started: Date;
  /** --timestamp, else SOURCE_DATE_EPOCH: seconds since 1970. */
  readonly epoch: number | undefined;
}

/** One platform's build. */
export interface PlatformResult {
  readonly plan: Plan;
  readonly result: BuildResult;
  /** Named contexts that were fetched. */
  readonly namedFrom: readonly FetchedSource[];
  /** What the linter says; the first platform has it. */
  readonly lint?: LintEvent | undefined;
}

/** What a build has come to. */
export interface DockerfileResult {
  /** In the order of `platforms`. */
  readonly platforms: readonly PlatformResult[];
  /** The one that got the names. */
  readonly named: PlatformResult;
  /** Its layer directories, topmost first, as overlayfs takes them; empty where they stayed elsewhere. */
  readonly lowerdirs: string;
  readonly facts: BuildFacts;
}

/** Which steps are run although the cache may have them. */
function cacheSkipper(noCache: DockerfileBuild['noCache']): (step: Step) => boolean {
  if (typeof noCache === 'boolean' || noCache === undefined) return () => noCache ?? false;
  const stages = new Set(noCache.map((stage) => stage.toLowerCase()));
  return ({ stage }) => stages.has(stage.toLowerCase());
}

/** --timestamp, else SOURCE_DATE_EPOCH of the build arguments or the Dockerfile, in this order. */
function getEpoch({ dockerfile }: BuildInput, request: DockerfileBuild): number | undefined {
  if (request.timestamp !== undefined) return request.timestamp;
  const { buildArgs = {}, target } = request;
  const given = parseEpoch(buildArgs[EPOCH_ARGUMENT]);
  if (given !== undefined) return given;
  const platform = formatPlatform(hostPlatform());
  return dockerfileEpoch(dockerfile, { buildArgs, target, platform, buildPlatform: platform });
}

/** @throws UsageError */
function getTimes(
  { timestamp, rewriteTimestamp }: DockerfileBuild,
  epoch: number | undefined,
): ImageTimes | undefined {
  if (timestamp !== undefined) return { seconds: timestamp, everyFile: true };
  if (!rewriteTimestamp) return undefined;
  if (epoch !== undefined) return { seconds: epoch, everyFile: false };
  throw new UsageError('--rewrite-timestamp needs SOURCE_DATE_EPOCH', {
    hint: 'for example --source-date-epoch=$(git log -1 --pretty=%ct)',
  });
}

/** The caches that a build names; nothing is loaded for one without them. */
async function openCaches(request: DockerfileBuild): Promise<SharedCaches> {
  const { cacheFrom = [], cacheTo = [], trustKeys = [], environment = {}, registry } = request;
  if (cacheFrom.length + cacheTo.length === 0) return { from: [], to: [], close: async () => {} };
  const { openSharedCaches } = await import('./shared-caches.js');
  const access = { environment, ...registry };
  return openSharedCaches(cacheFrom, cacheTo, trustKeys, access, environment);
}

function getFacts(input: BuildInput, request: DockerfileBuild, started: Date): BuildFacts {
  const { name, text, contextFrom } = input;
  const { contexts = {} } = request;
  const lock = wantedLock(input, request);
  const fetched = Object.keys(contexts).filter((key) => remoteContext(contexts[key] ?? ''));
  const named = fetched.map(contextName);
  return {
    dockerfile: { path: name, digest: sha256(text), text },
    lockFile: lock && { path: lockPath(name), digest: sha256(lock.text) },
    contextFrom,
    fetchedContexts: contextFrom ? ['', ...named] : named,
    contexts,
    target: request.target,
    buildArgs: request.buildArgs ?? {},
    labels: request.labels ?? {},
    started,
    epoch: getEpoch(input, request),
  };
}

/** Counts a context that is sent, or fetched, before there is a plan. */
function contextMeter({ onEvent }: DockerfileBuild): Meter {
  return onEvent ? transferMeter(onEvent, 'context') : unmetered;
}

/** What the platforms of a build share. */
interface Shared {
  readonly store: Store;
  readonly input: BuildInput;
  readonly request: DockerfileBuild;
  readonly caches: SharedCaches;
  readonly epoch: number | undefined;
  readonly times: ImageTimes | undefined;
}

/**
 * @param names what this platform's result is called
 * @param checks whether the linter is asked: once is enough
 */
async function buildPlatform(
  { store, input, request, caches, epoch, times }: Shared,
  platform: string,
  names: readonly string[],
  checks: boolean,
): Promise<PlatformResult> {
  const asked: DockerfileRequest = { ...request, platform };
  const planned = await planDockerfile(store, input, asked);
  const { plan, images, openContext } = planned;
  const emit = request.onEvent ?? (() => {});
  let lint: LintEvent | undefined;
  try {
    lint = checks ? lintBuild(input, asked, images) : undefined;
    const { isolation = 'namespaces', runtime, limits = {} } = request;
    const network = request.privateNetwork ? 'private' : 'host';
    const result = await runBuild({
      plan,
      store,
      images,
      openContext,
      executor:
        request.executor ??
        ((machine) => lazyExecutor({ ...machine, isolation, runtime, limits, network })),
      skipsCache: cacheSkipper(request.noCache),
      secret: request.secret ?? (() => undefined),
      sshAgent: request.sshAgent ?? (() => undefined),
      shells: request.shells,
      cacheFrom: caches.from,
      cacheTo: caches.to,
      destination: request.destination,
      inSlot: request.inSlot ?? stepSlots(stepLimits(request.jobs)),
      madeNow: request.madeNow,
      names,
      times,
      epoch,
      keepImage: names.length > 0 || request.keep === true,
      outputs: request.outputs === true,
      inspect: request.inspect,
      explain: request.explain ?? request.onEvent !== undefined,
      environment: request.environment ?? {},
      emit,
      signal: getSignal(request),
    });
    return { plan, result, namedFrom: input.namedFrom(), lint };
  } catch (error) {
    throw sayingWanted(error, plan, request.hermetic === true);
  } finally {
    // A build that failed has them as well: they may say why.
    if (lint) emit(lint);
    await planned.close();
  }
}

async function buildAll(store: Store, request: DockerfileBuild): Promise<DockerfileResult> {
  const started = new Date();
  if (store.paths.self.foundDead) sweepControlGroups();
  const caches = await openCaches(request);
  try {
    const { input, close } = await openDockerfile(store, request, contextMeter(request));
    try {
      const facts = getFacts(input, request, started);
      const { epoch } = facts;
      const shared = { store, input, request, caches, epoch, times: getTimes(request, epoch) };
      request.onInput?.(facts);
      const own = formatPlatform(hostPlatform());
      const platforms = request.platforms ?? [own];
      const namedPlatform = platforms.includes(own) ? own : platforms[0];
      const results: PlatformResult[] = [];
      let named: PlatformResult | undefined;
      for (const platform of platforms) {
        const isNamed = platform === namedPlatform;
        const names = isNamed ? (request.names ?? []) : [];
        const made = await buildPlatform(shared, platform, names, results.length === 0);
        if (isNamed) named = made;
        results.push(made);
      }
      if (!named) throw new UsageError('a build needs a platform');
      return { platforms: results, named, lowerdirs: named.result.lowerdirs, facts };
    } finally {
      close();
    }
  } finally {
    await caches.close();
  }
}

/**
 * Builds a Dockerfile. Nothing is left running or mounted afterwards.
 * @throws WiacError of a kind (util/errors.ts), the signal's reason, or what `onEvent` threw
 */
export async function buildDockerfile(
  store: Store,
  request: DockerfileBuild,
): Promise<DockerfileResult> {
  return heard(request, (hearing) => buildAll(store, { ...request, ...hearing }));
}
