/** From a Dockerfile to a plan whose images are known and whose contexts can be opened. */
import type { FileSource } from '../fs/scan/file-source.js';
import { formatPlatform, hostPlatform, parsePlatform, platformFit } from '../oci/platform.js';
import { contextName } from '../plan/context-name.js';
import type { NamedContext, Plan, PlanOptions, ResultOptions } from '../plan/plan.js';
import { DEFAULT_SHM_BYTES } from '../plan/plan.js';
import type { RunResources } from '../plan/step.js';
import { lazyScratch } from '../store/layers/layer-store.js';
import type { Store } from '../store/store.js';
import { asStoreError } from '../store/store.js';
import { abortable } from '../util/abort.js';
import type { FindStored, ImageAccess, PlanWithImages } from './images/base-images.js';
import { planWithImages } from './images/base-images.js';
import { findImage } from './images/find-image.js';
import { keptImages } from './images/kept-images.js';
import type { PlanImages } from './images/plan-images.js';
import { planImages } from './images/plan-images.js';
import type { BuildContexts } from './inputs/build-contexts.js';
import { parseBuildContexts } from './inputs/build-contexts.js';
import type { BuildInput, LockSource } from './inputs/build-input.js';
import { openInput } from './inputs/build-input.js';
import { openLock } from './locks/open-lock.js';
import type { DockerfileRequest } from './request.js';
import type { Meter } from './transfers.js';
import { unmetered } from './transfers.js';

/** A plan with its images and contexts. */
export interface PlannedInput extends PlanWithImages {
  readonly openContext: (name: string) => FileSource;
}

/** Digits of an id in a Dockerfile: a shorter word is the name of an image. */
const ID_DIGITS = 12;

/** Looks an image up by a name of the store. */
export function storedImages(store: Store): FindStored {
  return async ({ reference, platform }) => {
    const image = await findImage(store, reference, ID_DIGITS);
    if (image === undefined) return undefined;
    const fits = platformFit(parsePlatform(platform), parsePlatform(image.platform)) !== undefined;
    return fits ? image : { otherPlatform: image.platform };
  };
}

/**
 * How a request has images asked for.
 * @param store keeps the signatures that were seen
 */
export function imageAccess(
  { pull, registry, environment = {}, requireSigned: prefixes = [] }: DockerfileRequest,
  store?: Store,
): ImageAccess {
  const access = { environment, registry: { environment, ...registry }, ...(pull && { pull }) };
  if (prefixes.length === 0) return access;
  const check: ImageAccess['check'] = async (reference, image, index) => {
    const { requireSigned } = await import('./signatures/require-signed.js');
    await requireSigned(reference, image, { prefixes, store, index, registry: access.registry });
  };
  return { ...access, check };
}

/** The platform of a request, else this machine's. */
export function getPlatform({ platform }: Pick<DockerfileRequest, 'platform'>): string {
  return platform ?? formatPlatform(hostPlatform());
}

const NO_RESOURCES: RunResources = { extraHosts: [], shmSize: DEFAULT_SHM_BYTES, ulimits: [] };

const PLAIN_RESULT: ResultOptions = {
  env: {},
  unsetEnv: [],
  unsetLabels: [],
  squash: undefined,
  omitHistory: false,
};

/** Named contexts, and results of other builds among them: a result is an image by its id. */
function withResults(given: BuildContexts, { results }: DockerfileRequest): BuildContexts {
  if (!results) return given;
  const images = [...results].flatMap(([name, [first]]): [string, NamedContext][] =>
    first ? [[contextName(name), { kind: 'image', reference: first.id }]] : [],
  );
  return { ...given, contexts: new Map([...given.contexts, ...images]) };
}

/** Results of other builds as images of a plan: that of the platform, else the only one there is. */
function resultImages(results: NonNullable<DockerfileRequest['results']>): PlanImages {
  const images = planImages();
  const byId = new Map([...results.values()].map((all) => [all[0]?.id, all]));
  return {
    set: images.set,
    get: (request) => {
      const all = byId.get(request.reference) ?? [];
      const fit = all.find(({ platform }) => platform === request.platform) ?? all[0];
      return fit ? { stored: fit } : images.get(request);
    },
  };
}

/** The contexts that a plan asks for by name, ready to be opened. */
async function namedContexts(
  { steps }: Plan,
  sources: ReadonlyMap<string, string>,
  { bringNamed }: BuildInput,
  signal: AbortSignal,
  lock: LockSource,
): Promise<Map<string, () => FileSource>> {
  const opened = new Map<string, () => FileSource>();
  for (const step of steps) {
    if (step.kind !== 'copy' || step.from !== undefined || step.context === '') continue;
    const source = sources.get(step.context);
    if (source !== undefined && !opened.has(step.context))
      opened.set(step.context, await bringNamed(source, signal, lock));
  }
  return opened;
}

/** A signal that never fires, for callers that gave none. */
export function getSignal({ signal }: Pick<DockerfileRequest, 'signal'>): AbortSignal {
  return signal ?? new AbortController().signal;
}

/** What a request says of a plan, its images and its lock file aside. @throws UsageError */
export function planOptions(
  request: DockerfileRequest,
  contexts: PlanOptions['contexts'],
): Omit<PlanOptions, 'image'> {
  return {
    buildArgs: request.buildArgs ?? {},
    target: request.target,
    platform: getPlatform(request),
    buildPlatform: formatPlatform(hostPlatform()),
    labels: request.labels ?? {},
    network: request.network ?? 'default',
    resources: { ...NO_RESOURCES, ...request.resources },
    allowed: request.allowed ?? [],
    result: { ...PLAIN_RESULT, ...request.result },
    contexts,
  };
}

async function planInput(
  store: Store,
  input: BuildInput,
  request: DockerfileRequest,
): Promise<PlannedInput> {
  const lock = openLock(input, request);
  const { contexts, sources } = withResults(parseBuildContexts(request.contexts ?? {}), request);
  const asked = planOptions(request, contexts);
  const { users } = store;
  const resources = { ...asked.resources, ...(users && { users }) };
  const options = { ...asked, ...lock.options, resources };
  const access = {
    ...imageAccess(request, store),
    lockedInputs: lock.lockedInputs,
    kept: keptImages(store),
    signal: getSignal(request),
    ...(request.results && { images: resultImages(request.results) }),
  };
  const planned = await planWithImages(input.dockerfile, options, storedImages(store), access);
  try {
    const signal = getSignal(request);
    const named = await namedContexts(planned.plan, sources, input, signal, lock.lockSource);
    const warnings = [...planned.plan.warnings, ...lock.warnings(planned.plan, planned.images)];
    const plan = { ...planned.plan, warnings };
    return { ...planned, plan, openContext: (name) => (named.get(name) ?? input.openContext)() };
  } catch (error) {
    await planned.close();
    throw error;
  }
}

/**
 * Compiles a Dockerfile, and brings the contexts here that it asks for.
 * @throws ContextError, DockerfileError, UnsupportedError, ImageError; the signal's reason
 */
export function planDockerfile(
  store: Store,
  input: BuildInput,
  request: DockerfileRequest,
): Promise<PlannedInput> {
  return abortable(getSignal(request), () => planInput(store, input, request));
}

/** A Dockerfile that was read; what was brought here for it is there until it is closed. */
export interface OpenDockerfile {
  readonly input: BuildInput;
  readonly close: () => void;
}

/**
 * Reads a Dockerfile, and brings its build context here if it is elsewhere.
 * @throws what openInput throws
 */
export async function openDockerfile(
  store: Store,
  request: DockerfileRequest,
  meter: Meter = unmetered,
): Promise<OpenDockerfile> {
  const scratch = lazyScratch(store.paths);
  const signal = getSignal(request);
  const { environment = {}, sshAgent, input } = request;
  const { limits } = store;
  const workspace = { scratch: scratch.path, limits, environment, sshAgent, input, signal, meter };
  try {
    const opened = await abortable(signal, () => openInput(request.context, request, workspace));
    return { input: opened, close: scratch.remove };
  } catch (error) {
    scratch.remove();
    throw asStoreError(store.paths.root, error);
  }
}
