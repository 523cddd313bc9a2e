/** wiac's config file: where it is, and what it says. */
import { statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ExpansionLimits } from '../oci/tar/expansion-limit.js';
import type { HistoryBounds } from '../store/builds/build-files.js';
import { parseHistory } from '../store/builds/history-bounds.js';
import type { PrunePolicy } from '../store/gc/prune-policy.js';
import { DEFAULT_POLICY, getLimit, parseLimits, parsePolicy } from '../store/gc/prune-policy.js';
import { UsageError } from '../util/errors.js';
import { hintOf } from '../util/file-trouble.js';
import { homeOr } from '../util/home-directory.js';
import { readSettings } from '../util/regular-file.js';
import { parseSize } from '../util/units.js';

/**
 * Where the config file may be; the first that exists counts: $WIAC_CONFIG alone when it is set,
 * else that of the user, else that of the machine.
 */
export function configPaths(environment: NodeJS.ProcessEnv): string[] {
  const { WIAC_CONFIG, XDG_CONFIG_HOME } = environment;
  if (WIAC_CONFIG) return [resolve(WIAC_CONFIG)];
  const own = homeOr(XDG_CONFIG_HOME, '.config', environment);
  const ofMachine = '/etc/wiac/config.json';
  return own === undefined ? [ofMachine] : [resolve(own, 'wiac/config.json'), ofMachine];
}

function readIfThere(path: string): string | undefined {
  try {
    return readSettings(path).toString();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UsageError(`the config file ${path} can't be read: ${message}`, {
      cause: error,
      hint: hintOf(error),
    });
  }
}

function refuse(path: string, problem: string): never {
  throw new UsageError(`the config file ${path} is wrong: ${problem}`, {
    hint: 'write it like {"prune": {"keepBytes": "20G", "keepDays": 30, "auto": true}}',
  });
}

/** The content of the config file, with the path it has; undefined: there is none. */
function readConfig(environment: NodeJS.ProcessEnv): { path: string; value: unknown } | undefined {
  for (const path of configPaths(environment)) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    try {
      return { path, value: JSON.parse(text) };
    } catch (error) {
      return refuse(path, (error as Error).message);
    }
  }
  if (environment.WIAC_CONFIG) refuse(environment.WIAC_CONFIG, 'it does not exist');
  return undefined;
}

/** The prune policy of this user. @throws UsageError for a file that makes no sense */
export function readPolicy(environment: NodeJS.ProcessEnv): PrunePolicy {
  const config = readConfig(environment);
  if (!config) return DEFAULT_POLICY;
  const policy = parsePolicy(config.value);
  return 'problem' in policy ? refuse(config.path, policy.problem) : policy;
}

/** How much is kept of former builds. @throws UsageError for a file that makes no sense */
export function readHistoryBounds(environment: NodeJS.ProcessEnv): HistoryBounds {
  const config = readConfig(environment);
  const bounds = parseHistory(config?.value);
  return 'problem' in bounds ? refuse(config?.path ?? '', bounds.problem) : bounds;
}

/**
 * What this user accepts of layers and archives that come from elsewhere: the environment counts
 * before the config file.
 * @throws UsageError for what makes no sense
 */
export function readLimits(environment: NodeJS.ProcessEnv): ExpansionLimits {
  const config = readConfig(environment);
  const limits = parseLimits(config?.value);
  if ('problem' in limits) return refuse(config?.path ?? '', limits.problem);
  const { WIAC_MAX_LAYER_BYTES: size, WIAC_MAX_RATIO: ratio } = environment;
  const maxBytes = size ? parseSize(size) : limits.maxBytes;
  if (maxBytes === undefined)
    throw new UsageError(`WIAC_MAX_LAYER_BYTES=${size} is not a size`, {
      hint: 'write bytes, or a size such as 200G',
    });
  const maxRatio = ratio ? Number(ratio) : limits.maxRatio;
  if (!(maxRatio >= 1))
    throw new UsageError(`WIAC_MAX_RATIO=${ratio} is not a ratio`, {
      hint: 'write a number, 1 or more',
    });
  return { maxBytes, maxRatio };
}

/**
 * Files with public keys, one of which must have signed each shared cache that a build reads.
 * @throws UsageError for a file that makes no sense
 */
export function readTrustKeys(environment: NodeJS.ProcessEnv): string[] {
  const config = readConfig(environment);
  const { cache = {} } = (config?.value ?? {}) as { cache?: Record<string, unknown> };
  const { trustKeys = [], ...rest } = Object(cache) as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  const isList = Array.isArray(trustKeys) && trustKeys.every((each) => typeof each === 'string');
  if (!config || (isList && unknown === undefined))
    return (trustKeys as string[]).map((file) => resolve(dirname(config?.path ?? '.'), file));
  return refuse(
    config.path,
    unknown === undefined
      ? 'cache.trustKeys must be a list of files'
      : `there is no cache.${unknown}: known is trustKeys`,
  );
}

/** A rule of the config file: images below the prefix must be signed with one of the keys. */
export interface SignedRule {
  readonly prefix: string;
  /** Files, by their absolute paths, and `env://VARIABLE`. */
  readonly keys: readonly string[];
}

/**
 * Which images must be signed.
 * @throws UsageError for a file that makes no sense
 */
export function readSignedRules(environment: NodeJS.ProcessEnv): SignedRule[] {
  const config = readConfig(environment);
  const { images = {} } = (config?.value ?? {}) as { images?: Record<string, unknown> };
  const { requireSigned = {}, ...rest } = Object(images) as Record<string, unknown>;
  if (!config) return [];
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined)
    refuse(config.path, `there is no images.${unknown}: known is requireSigned`);
  const isList = typeof requireSigned === 'object' && !Array.isArray(requireSigned);
  const rules = Object.entries(isList ? (requireSigned ?? {}) : { '': 0 });
  return rules.map(([prefix, value]) => {
    const keys: unknown[] = Array.isArray(value) ? value : [value];
    if (keys.length === 0 || !keys.every((key) => typeof key === 'string'))
      refuse(config.path, 'images.requireSigned must have a file, or a list of files, by prefix');
    const place = dirname(config.path);
    const resolved = (keys as string[]).map((key) =>
      key.includes('://') ? key : resolve(place, key),
    );
    return { prefix, keys: resolved };
  });
}

/** The limit of a policy in bytes, for a store that is there; undefined: there is none. */
export function policyLimit(policy: PrunePolicy, root: string): number | undefined {
  return getLimit(policy, () => {
    const { blocks, bsize } = statfsSync(root);
    return blocks * bsize;
  });
}
