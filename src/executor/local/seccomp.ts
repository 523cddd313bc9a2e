/** The filter of system calls of a container on this machine. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { defaultFilterName } from '../seccomp/default-filters.js';
import { DOCKER_PROFILE } from '../seccomp/docker-profile.js';
import { seccompFilter } from '../seccomp/filter.js';
import type { Profile } from '../seccomp/profile.js';
import { DEFAULT_CAPABILITIES, namesOf } from './capabilities.js';

/** Major and minor version of this machine's kernel. */
export function kernelVersion(): readonly [number, number] {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  return [major, minor];
}

/** @returns undefined where wiac runs from its sources, which nobody has built */
function readDefault(): Buffer | undefined {
  try {
    return readFileSync(new URL(defaultFilterName(process.arch), import.meta.url));
  } catch {
    return undefined;
  }
}

function make(profile: Profile, names: readonly string[]): Buffer | undefined {
  const capabilities = new Set(names);
  const isDefault =
    profile === DOCKER_PROFILE &&
    names.length === DEFAULT_CAPABILITIES.length &&
    namesOf(DEFAULT_CAPABILITIES).every((name) => capabilities.has(name));
  const built = isDefault ? readDefault() : undefined;
  const circumstances = { architecture: process.arch, kernel: kernelVersion(), capabilities };
  return built ?? seccompFilter(profile, circumstances);
}

/** Steps of a build have the same filter, mostly. */
const made = new WeakMap<Profile, Map<string, Buffer | undefined>>();

/**
 * @param capabilities of the container: profiles allow more to those who have some
 * @returns undefined for an architecture that containers can't be made on
 */
export function containerFilter(
  profile: Profile,
  capabilities: readonly number[],
): Buffer | undefined {
  const ofProfile = made.get(profile) ?? new Map<string, Buffer | undefined>();
  made.set(profile, ofProfile);
  const names = namesOf([...new Set(capabilities)]).sort();
  const key = names.join();
  const known = ofProfile.get(key) ?? make(profile, names);
  ofProfile.set(key, known);
  return known;
}
