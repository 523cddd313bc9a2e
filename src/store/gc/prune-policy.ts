/** The prune policy and the limits: what the config file says of them, and what holds without one. */

import type { ExpansionLimits } from '../../oci/tar/expansion-limit.js';
import { DEFAULT_LIMITS } from '../../oci/tar/expansion-limit.js';
import { suggest } from '../../util/suggest.js';
import { parseSize } from '../../util/units.js';

/** How large the cache may grow. */
export interface PrunePolicy {
  /** Bytes, or a part of the file system that the store is on (0 to 1); undefined: no limit. */
  readonly keepBytes: { readonly bytes: number } | { readonly part: number } | undefined;
  /** What was used within so many days is kept. */
  readonly keepDays: number | undefined;
  /** Prune after builds that left the cache above keepBytes. */
  readonly auto: boolean;
}

/** A tenth of the disk, like BuildKit; a build must never fill it for good. */
export const DEFAULT_POLICY: PrunePolicy = {
  keepBytes: { part: 0.1 },
  keepDays: undefined,
  auto: true,
};

/** The config file means nothing; the message says where and why. */
export type PolicyProblem = { readonly problem: string };

const MEMBERS = ['keepBytes', 'keepDays', 'auto'] as const;

/** What is wrong with a name that is no setting. */
export function unknownMember(name: string, known: readonly string[], path: string): PolicyProblem {
  const near = suggest(name, known);
  const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
  return { problem: `there is no setting ${path}${name} (${hint})` };
}

/** Is it a JSON object? */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseKeepBytes(value: unknown): PrunePolicy['keepBytes'] | PolicyProblem {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)
    return { bytes: value };
  if (typeof value === 'string') {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(value)?.[1];
    if (percent !== undefined && Number(percent) <= 100) return { part: Number(percent) / 100 };
    const bytes = percent === undefined ? parseSize(value) : undefined;
    if (bytes !== undefined) return { bytes };
  }
  return {
    problem: `prune.keepBytes is ${JSON.stringify(value)}, and must be bytes, a size such as "20G", or a part of the disk such as "10%"`,
  };
}

/** What a config file can have. */
const SECTIONS = ['prune', 'limits', 'cache', 'images', 'history'];

/**
 * Reads the prune policy of a config file. What it does not name is as in DEFAULT_POLICY, except for
 * the limit: a user that gives `keepDays` alone wants to keep by age alone.
 * @param value what JSON.parse gave
 */
export function parsePolicy(value: unknown): PrunePolicy | PolicyProblem {
  if (!isObject(value)) return { problem: 'it must hold a JSON object' };
  for (const name of Object.keys(value))
    if (!SECTIONS.includes(name)) return unknownMember(name, SECTIONS, '');
  const { prune } = value;
  if (prune === undefined) return DEFAULT_POLICY;
  if (!isObject(prune)) return { problem: 'prune must be an object' };
  for (const name of Object.keys(prune))
    if (!MEMBERS.some((known) => known === name)) return unknownMember(name, MEMBERS, 'prune.');
  const { keepDays, auto = DEFAULT_POLICY.auto } = prune;
  const isDays = typeof keepDays === 'number' && Number.isFinite(keepDays) && keepDays >= 0;
  if (keepDays !== undefined && !isDays)
    return {
      problem: `prune.keepDays is ${JSON.stringify(keepDays)}, and must be a number of days`,
    };
  if (typeof auto !== 'boolean')
    return { problem: `prune.auto is ${JSON.stringify(auto)}, and must be true or false` };
  if (prune.keepBytes === undefined) {
    const keepBytes = isDays ? undefined : DEFAULT_POLICY.keepBytes;
    return { keepBytes, keepDays: isDays ? keepDays : undefined, auto };
  }
  const keepBytes = parseKeepBytes(prune.keepBytes);
  if (keepBytes && 'problem' in keepBytes) return keepBytes;
  return { keepBytes, keepDays: isDays ? keepDays : undefined, auto };
}

const LIMITS = ['layerBytes', 'ratio'] as const;

/** Reads the limits of a config file. @param value what JSON.parse gave */
export function parseLimits(value: unknown): ExpansionLimits | PolicyProblem {
  const { limits = {} } = isObject(value) ? value : {};
  if (!isObject(limits)) return { problem: 'limits must be an object' };
  for (const name of Object.keys(limits))
    if (!LIMITS.some((known) => known === name)) return unknownMember(name, LIMITS, 'limits.');
  const { layerBytes = DEFAULT_LIMITS.maxBytes, ratio = DEFAULT_LIMITS.maxRatio } = limits;
  const maxBytes = typeof layerBytes === 'string' ? parseSize(layerBytes) : layerBytes;
  if (typeof maxBytes !== 'number' || !(maxBytes > 0))
    return {
      problem: `limits.layerBytes is ${JSON.stringify(layerBytes)}, and must be bytes or a size such as "200G"`,
    };
  if (typeof ratio !== 'number' || !(ratio >= 1))
    return { problem: `limits.ratio is ${JSON.stringify(ratio)}, and must be a number, 1 or more` };
  return { maxBytes, maxRatio: ratio };
}

/** The limit in bytes. @param diskBytes size of the file system that the store is on */
export function getLimit({ keepBytes }: PrunePolicy, diskBytes: () => number): number | undefined {
  if (!keepBytes) return undefined;
  return 'bytes' in keepBytes ? keepBytes.bytes : Math.floor(keepBytes.part * diskBytes());
}
