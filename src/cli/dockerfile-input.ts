/** Compiles a Dockerfile as the command line says. */

import type { FileSource } from '../fs/scan/file-source.js';
import { formatPlatform, hostPlatform, parsePlatform, platformFit } from '../oci/platform.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { Entitlement, Plan, PlanOptions, ResultOptions } from '../plan/plan.js';
import { storeRoot } from '../store/paths.js';
import type { Store } from '../store/store.js';
import type { WiacError } from '../util/errors.js';
import { UsageError } from '../util/errors.js';
import type { FindStored, PlanWithImages } from './base-images.js';
import { planWithImages } from './base-images.js';
import { parseBuildContexts } from './build-contexts.js';
import type { BuildInput, InputOptions } from './build-input.js';
import type { CombinedOptions } from './combine-options.js';
import type { PullPolicy } from './declare/options.js';
import { findImage } from './find-image.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';
import type { ResourceOptions } from './run-resources.js';
import { parseResources } from './run-resources.js';

/** Options of every command that reads a Dockerfile, as commander gives them. */
export interface DockerfileOptions
  extends RegistryAccessOptions,
    ResourceOptions,
    CombinedOptions,
    InputOptions {
  readonly target?: string;
  readonly label?: readonly string[];
  readonly network?: PlanOptions['network'];
  readonly allow: readonly Entitlement[];
  readonly buildContext: readonly string[];
  readonly pull?: PullPolicy;
  readonly env?: readonly string[];
  readonly unsetenv?: readonly string[];
  readonly unsetlabel?: readonly string[];
  readonly squash?: boolean;
  readonly squashAll?: boolean;
  readonly omitHistory?: boolean;
  /** How registries are reached; undefined: as the other options say. */
  readonly registry?: RegistryOptions;
}

/** A plan with its images and contexts. */
export interface PlannedInput extends PlanWithImages {
  readonly openContext: (name: string) => FileSource;
}

/**
 * `name=value` pairs.
 * @param bare what a name alone means: the variable of the environment (or nothing), or an empty value
 */
export function parsePairs(
  items: readonly string[],
  option: string,
  bare: 'environment' | 'empty' = 'environment',
): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const item of items) {
    const at = item.indexOf('=');
    const name = at === -1 ? item : item.slice(0, at);
    if (name === '')
      throw new UsageError(`${option} ${item}: the name is missing`, {
        hint: `write ${option} NAME=VALUE`,
      });
    const alone = bare === 'empty' ? '' : process.env[name];
    const value = at === -1 ? alone : item.slice(at + 1);
    if (value !== undefined) pairs[name] = value;
  }
  return pairs;
}

/** The platform of --platform, else this machine's. @throws UsageError */
export function wantedPlatform(option: string | undefined): string {
  if (option === undefined) return formatPlatform(hostPlatform());
  try {
    return formatPlatform(parsePlatform(option));
  } catch (error) {
    const { message, hint } = error as WiacError;
    throw new UsageError(`--platform: ${message}`, { hint });
  }
}

/** Every platform of a list with commas, each once. @throws UsageError */
export function wantedPlatforms(option: string | undefined): string[] {
  if (option === undefined) return [wantedPlatform(undefined)];
  return [...new Set(option.split(',').map((item) => wantedPlatform(item.trim())))];
}

/** Build arguments; SOURCE_DATE_EPOCH is one without being asked for, as with buildx. */
export function buildArgsOf(items: readonly string[]): Record<string, string> {
  const { SOURCE_DATE_EPOCH } = process.env;
  const known = SOURCE_DATE_EPOCH === undefined ? {} : { SOURCE_DATE_EPOCH };
  return { ...known, ...parsePairs(items, '--build-arg') };
}

/** Digits of an id in a Dockerfile: a shorter word is the name of an image. */
const ID_DIGITS = 12;

/** Looks an image up by a name of the store. */
function storedImages(store: Store): FindStored {
  return async ({ reference, platform }) => {
    const image = await findImage(store, reference, ID_DIGITS);
    if (image === undefined) return undefined;
    const fits = platformFit(parsePlatform(platform), parsePlatform(image.platform)) !== undefined;
    return fits ? image : undefined;
  };
}

/** Gives an action the images of the store, which is open for as long as it takes. */
export async function withStoredImages(
  action: (findStored: FindStored) => Promise<void>,
): Promise<void> {
  const { closeStore, openStore } = await import('../store/store.js');
  const store = await openStore(storeRoot(process.env, process.getuid?.() === 0));
  try {
    await action(storedImages(store));
  } finally {
    await closeStore(store);
  }
}

/** What the options want of the result. @throws UsageError */
function resultOf(options: DockerfileOptions): ResultOptions {
  const { env = [], unsetenv = [], unsetlabel = [], squash, squashAll, omitHistory } = options;
  if (squash && squashAll) throw new UsageError('--squash and --squash-all exclude each other');
  return {
    env: parsePairs(env, '--env'),
    unsetEnv: unsetenv,
    unsetLabels: unsetlabel,
    squash: squashAll ? 'all' : squash ? 'new' : undefined,
    omitHistory: omitHistory ?? false,
  };
}

/** The contexts that a plan asks for by name, ready to be opened. */
async function namedContexts(
  { steps }: Plan,
  sources: ReadonlyMap<string, string>,
  { bringNamed }: BuildInput,
  signal: AbortSignal,
): Promise<Map<string, () => FileSource>> {
  const opened = new Map<string, () => FileSource>();
  for (const step of steps) {
    if (step.kind !== 'copy' || step.from !== undefined || step.context === '') continue;
    const source = sources.get(step.context);
    if (source !== undefined && !opened.has(step.context))
      opened.set(step.context, await bringNamed(source, signal));
  }
  return opened;
}

/**
 * Compiles a Dockerfile, and brings the contexts here that it asks for.
 * @param signal ends what is on its way
 * @throws ContextError, DockerfileError, UnsupportedError, ImageError
 */
export async function planDockerfile(
  options: DockerfileOptions,
  store: Store,
  input: BuildInput,
  signal: AbortSignal,
): Promise<PlannedInput> {
  const { contexts, sources } = parseBuildContexts(options.buildContext);
  const planOptions = {
    buildArgs: buildArgsOf(options.buildArg),
    target: options.target,
    platform: wantedPlatform(options.platform),
    buildPlatform: formatPlatform(hostPlatform()),
    labels: parsePairs(options.label ?? [], '--label', 'empty'),
    network: options.network ?? 'default',
    resources: parseResources(options),
    allowed: options.allow,
    result: resultOf(options),
    contexts,
  };
  const { pull, registry = await registryAccess(options) } = options;
  const access = { registry, ...(pull === undefined ? {} : { pull }) };
  const planned = await planWithImages(input.dockerfile, planOptions, storedImages(store), access);
  try {
    const named = await namedContexts(planned.plan, sources, input, signal);
    return { ...planned, openContext: (name) => (named.get(name) ?? input.openContext)() };
  } catch (error) {
    await planned.close();
    throw error;
  }
}
