/** wiac's config file: where it is, and what it says. */
import { readFileSync, statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { PrunePolicy } from '../cache/policy.js';
import { DEFAULT_POLICY, limitOf, parsePolicy } from '../cache/policy.js';
import { UsageError } from '../errors.js';

/**
 * Where the config file may be; the first that exists counts: $WIAC_CONFIG alone when it is set,
 * else that of the user, else that of the machine.
 */
export function configPaths(environment: NodeJS.ProcessEnv): string[] {
  const { WIAC_CONFIG, XDG_CONFIG_HOME } = environment;
  if (WIAC_CONFIG) return [resolve(WIAC_CONFIG)];
  const own = XDG_CONFIG_HOME ? resolve(XDG_CONFIG_HOME) : join(homedir(), '.config');
  return [join(own, 'wiac/config.json'), '/etc/wiac/config.json'];
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new UsageError(`the config file ${path} can't be read: ${message}`);
  }
}

function refuse(path: string, problem: string): never {
  throw new UsageError(`the config file ${path} makes no sense: ${problem}`, {
    hint: 'write it like {"prune": {"keepBytes": "20G", "keepDays": 30, "auto": true}}',
  });
}

/** The prune policy of this user. @throws UsageError for a file that makes no sense */
export function readPolicy(environment: NodeJS.ProcessEnv): PrunePolicy {
  for (const path of configPaths(environment)) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return refuse(path, (error as Error).message);
    }
    const policy = parsePolicy(value);
    return 'problem' in policy ? refuse(path, policy.problem) : policy;
  }
  if (environment.WIAC_CONFIG) refuse(environment.WIAC_CONFIG, 'it does not exist');
  return DEFAULT_POLICY;
}

/** The limit of a policy in bytes, for a store that is there; undefined: there is none. */
export function policyLimit(policy: PrunePolicy, root: string): number | undefined {
  return limitOf(policy, () => {
    const { blocks, bsize } = statfsSync(root);
    return blocks * bsize;
  });
}
