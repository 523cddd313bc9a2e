/** Reads the Dockerfile that the command line names and compiles it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findImage } from '../cache/images.js';
import type { CacheIndex } from '../cache/index-db.js';
import { storeRoot } from '../cache/paths.js';
import { contextIgnore } from '../context/context.js';
import type { FileSource } from '../context/source.js';
import type { Dockerfile } from '../dockerfile/ast.js';
import { parseDockerfile } from '../dockerfile/parse.js';
import type { WiacError } from '../errors.js';
import { ContextError, UsageError } from '../errors.js';
import { formatPlatform, hostPlatform, parsePlatform, platformFit } from '../oci/platform.js';
import type { Entitlement, PlanOptions } from '../plan/plan.js';
import type { FindStored, PlanWithImages } from './base-images.js';
import { planWithImages } from './base-images.js';
import { contextOpener, parseBuildContexts } from './build-contexts.js';
import { parseResources } from './run-resources.js';

/** Options of every command that reads a Dockerfile, as commander gives them. */
export interface DockerfileOptions {
  readonly file?: string;
  readonly target?: string;
  readonly buildArg: readonly string[];
  readonly label?: readonly string[];
  readonly network?: PlanOptions['network'];
  readonly addHost: readonly string[];
  readonly shmSize?: string;
  readonly ulimit: readonly string[];
  readonly allow: readonly Entitlement[];
  readonly buildContext: readonly string[];
  readonly platform?: string;
  readonly pull?: boolean;
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

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT' ? `there is no Dockerfile ${path}` : `${path} can't be read: ${message}`;
    throw new ContextError(reason, undefined, { hint: 'name it with -f FILE' });
  }
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

/** Looks an image up by a name of the store; --pull asks where the image comes from instead. */
function storedImages(index: CacheIndex, pull: boolean | undefined): FindStored {
  return ({ reference, platform }) => {
    const image = pull ? undefined : findImage(index, reference);
    if (image === undefined) return undefined;
    const fits = platformFit(parsePlatform(platform), parsePlatform(image.platform)) !== undefined;
    return fits ? image : undefined;
  };
}

/** Gives an action the images of the store, which is open for as long as it takes. */
export async function withStoredImages(
  pull: boolean | undefined,
  action: (findStored: FindStored) => Promise<void>,
): Promise<void> {
  const { closeStore, openStore } = await import('../cache/store.js');
  const store = await openStore(storeRoot(process.env, process.getuid?.() === 0));
  try {
    await action(storedImages(store.index, pull));
  } finally {
    await closeStore(store);
  }
}

/** A parsed Dockerfile. */
export interface DockerfileInput {
  readonly dockerfile: Dockerfile;
  readonly text: string;
  /** Where it came from; undefined for standard input. */
  readonly path: string | undefined;
  /** Does .dockerignore leave a path of the context out? */
  readonly ignores: (path: string) => boolean;
}

/** `Dockerfile`, or `dockerfile` where only that is there, as in BuildKit. */
function usualPath(contextPath: string): string {
  const path = join(contextPath, 'Dockerfile');
  const other = join(contextPath, 'dockerfile');
  return !existsSync(path) && existsSync(other) ? other : path;
}

/** Reads and parses the Dockerfile. @throws ContextError, DockerfileError */
export function readDockerfile(contextPath: string, options: DockerfileOptions): DockerfileInput {
  const path = options.file ?? usualPath(contextPath);
  const fromInput = path === '-';
  const text = readText(path);
  const named = fromInput ? undefined : path;
  return {
    dockerfile: parseDockerfile(text, fromInput ? 'Dockerfile (standard input)' : path),
    text,
    path: named,
    ignores: (file) => contextIgnore(contextPath, named).ignores(file),
  };
}

/**
 * Compiles a Dockerfile.
 * @param input read already: standard input can be read only once
 * @throws ContextError, DockerfileError, UnsupportedError, ImageError
 */
export async function planDockerfile(
  contextPath: string,
  options: DockerfileOptions,
  index: CacheIndex,
  { dockerfile, path }: DockerfileInput = readDockerfile(contextPath, options),
): Promise<PlannedInput> {
  const { contexts, directories } = parseBuildContexts(options.buildContext);
  const planOptions = {
    buildArgs: buildArgsOf(options.buildArg),
    target: options.target,
    platform: wantedPlatform(options.platform),
    buildPlatform: formatPlatform(hostPlatform()),
    labels: parsePairs(options.label ?? [], '--label', 'empty'),
    network: options.network ?? 'default',
    resources: parseResources(options),
    allowed: options.allow,
    contexts,
  };
  const planned = await planWithImages(dockerfile, planOptions, storedImages(index, options.pull));
  return { ...planned, openContext: contextOpener(contextPath, path, directories) };
}
