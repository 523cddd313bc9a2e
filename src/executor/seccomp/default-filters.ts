/**
 * The filters that almost every container has, made when wiac is built (esbuild.config.js) because making one costs
 * 5 to 10 ms: Docker's profile with Docker's capabilities, a file an architecture.
 */
import { DOCKER_PROFILE } from './docker-profile.js';
import { seccompFilter } from './filter.js';

/** Older kernels can't run containers of wiac. */
export const OLDEST_KERNEL = [5, 12] as const;

/** @returns contents by the names of files */
export function defaultFilters(capabilities: readonly string[]): ReadonlyMap<string, Buffer> {
  const given = { capabilities: new Set(capabilities), kernel: OLDEST_KERNEL };
  return new Map(
    ['x64', 'arm64'].flatMap((architecture) => {
      const filter = seccompFilter(DOCKER_PROFILE, { ...given, architecture });
      return filter ? [[defaultFilterName(architecture), filter]] : [];
    }),
  );
}

export function defaultFilterName(architecture: string): string {
  return `seccomp-${architecture}.bpf`;
}
