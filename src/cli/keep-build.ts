/** Keeps what `wiac build` does, for `wiac log` and `wiac history builds`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DockerfileBuild } from '../engine/build-dockerfile.js';
import type { BuildOrigin, BuildRecorder } from '../engine/history/record-build.js';
import { NO_RECORDER, recordBuild } from '../engine/history/record-build.js';
import { usualPath } from '../engine/inputs/find-dockerfile.js';
import type { Store } from '../store/store.js';
import { readHistoryBounds } from './config-file.js';

/** What is on this machine, from its root; other places as they were given. */
function absolute(path: string): string {
  return existsSync(path) ? resolve(path) : path;
}

function dockerfilePath({ context, file }: DockerfileBuild): string {
  if (file !== undefined) return absolute(file);
  const place = absolute(context);
  return place.startsWith('/') ? usualPath(place) : 'Dockerfile';
}

/** What was asked for. */
export function buildOrigin(request: DockerfileBuild): BuildOrigin {
  const { context, target, platforms, buildArgs = {}, labels = {}, result } = request;
  return {
    command: process.argv.slice(2),
    context: absolute(context),
    dockerfile: dockerfilePath(request),
    target,
    platforms,
    variables: [buildArgs, labels, result?.env ?? {}],
  };
}

/** @param platforms as they were asked for @throws UsageError for a config file that makes no sense */
export function keepBuild(
  store: Store,
  request: DockerfileBuild,
): Omit<BuildRecorder, 'id'> & { readonly isKept: boolean } {
  const bounds = readHistoryBounds(process.env);
  if (bounds.keepBuilds === 0) return { ...NO_RECORDER, isKept: false };
  return { ...recordBuild(store, buildOrigin(request), bounds), isKept: true };
}
