/** From the options of commands that read a Dockerfile to what they ask of the engine. */
import type { FindStored } from '../engine/images/base-images.js';
import { storedImages } from '../engine/plan-dockerfile.js';
import type { DockerfileRequest, PullPolicy } from '../engine/request.js';
import type { Renewal } from '../lock/lock-inputs.js';
import { formatPlatform, hostPlatform, parsePlatform } from '../oci/platform.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { Entitlement, PlanOptions, ResultOptions } from '../plan/plan.js';
import { storeRoot } from '../store/paths.js';
import type { WiacError } from '../util/errors.js';
import { UsageError } from '../util/errors.js';
import type { CombinedOptions } from './combine-options.js';
import { environmentText } from './given-text.js';
import type { RegistryAccessOptions } from './registry-options.js';
import { registryAccess } from './registry-options.js';
import type { ResourceOptions } from './run-resources.js';
import { parseResources } from './run-resources.js';
import { parseAgents } from './secrets.js';
import { readSignedPrefixes } from './signed-prefix-options.js';

/** Options of every command that reads a Dockerfile, as commander gives them. */
export interface DockerfileOptions extends RegistryAccessOptions, ResourceOptions, CombinedOptions {
  readonly file?: string;
  readonly ignorefile?: string;
  readonly from?: string;
  readonly buildArg: readonly string[];
  readonly target?: string;
  readonly label?: readonly string[];
  readonly network?: PlanOptions['network'] | 'private';
  readonly allow: readonly Entitlement[];
  readonly buildContext: readonly string[];
  readonly ssh?: readonly string[];
  readonly pull?: PullPolicy;
  readonly requireSigned: readonly string[];
  readonly env?: readonly string[];
  readonly unsetenv?: readonly string[];
  readonly unsetlabel?: readonly string[];
  readonly squash?: boolean;
  readonly squashAll?: boolean;
  readonly omitHistory?: boolean;
  /** False: --no-lock. */
  readonly lock?: string | boolean;
  readonly locked?: boolean;
  readonly frozen?: boolean;
  readonly hermetic?: boolean;
  /** How registries are reached; undefined: as the other options say. */
  readonly registry?: RegistryOptions;
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
    const alone = bare === 'empty' ? '' : environmentText(name);
    const value = at === -1 ? alone : item.slice(at + 1);
    if (value !== undefined) pairs[name] = value;
  }
  return pairs;
}

/** A name alone is none: a variable of that name would be a path that nobody wrote. @throws UsageError */
export function getContexts(items: readonly string[]): Record<string, string> {
  const alone = items.find((item) => !item.includes('='));
  if (alone === undefined) return parsePairs(items, '--build-context');
  throw new UsageError(`--build-context ${alone}: it says no place`, {
    hint: `write --build-context ${alone}=DIRECTORY, or a URL, or docker-image://NAME`,
  });
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
export function getBuildArgs(items: readonly string[]): Record<string, string> {
  const { SOURCE_DATE_EPOCH } = process.env;
  const known = SOURCE_DATE_EPOCH === undefined ? {} : { SOURCE_DATE_EPOCH };
  return { ...known, ...parsePairs(items, '--build-arg') };
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
function getResult(options: DockerfileOptions): ResultOptions {
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

/** What becomes of the lock file. */
export interface LockMode {
  readonly mode: NonNullable<DockerfileRequest['lock']>;
  /** What is asked for anew before the build. */
  readonly renewal: Renewal | undefined;
}

/** @throws UsageError */
export function parseLockMode({ lock = 'use', locked, frozen }: DockerfileOptions): LockMode {
  const [mode, ...rest] = lock === false ? ['ignore'] : String(lock).split('=');
  const strict = locked || frozen;
  if (strict && mode !== 'use')
    throw new UsageError(`--locked and --lock=${mode} exclude each other`);
  const names = rest.join('=');
  if (mode === 'update') return { mode: 'use', renewal: names === '' ? 'all' : names.split(',') };
  if ((mode === 'use' || mode === 'ignore') && names === '')
    return { mode: strict ? 'locked' : mode, renewal: undefined };
  throw new UsageError(`--lock=${lock} is not known`, {
    hint: 'use, ignore, update, or update=NAME,...',
  });
}

/**
 * What the options ask of the engine.
 * @param context the path or address of the command line
 * @throws UsageError
 */
export async function dockerfileRequest(
  context: string,
  options: DockerfileOptions,
  signal: AbortSignal,
): Promise<DockerfileRequest> {
  const { file, ignorefile, from, target, network, allow, pull } = options;
  return {
    context,
    file,
    ignoreFile: ignorefile,
    firstImage: from,
    contexts: getContexts(options.buildContext),
    target,
    ...(options.platform === undefined ? {} : { platform: wantedPlatform(options.platform) }),
    buildArgs: getBuildArgs(options.buildArg),
    labels: parsePairs(options.label ?? [], '--label', 'empty'),
    // What this machine makes of a network that was not asked for is no part of the plan.
    network: network === 'private' ? 'default' : network,
    resources: parseResources(options),
    allowed: allow,
    result: getResult(options),
    pull,
    lock: parseLockMode(options).mode,
    hermetic: options.hermetic,
    requireSigned: readSignedPrefixes(options.requireSigned, process.env),
    registry: options.registry ?? (await registryAccess(options)),
    environment: process.env,
    sshAgent: parseAgents(options.ssh ?? []),
    input: () => process.stdin,
    signal,
  };
}
