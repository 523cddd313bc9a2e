/** Keeps what `wiac build` does, for `wiac log` and `wiac history builds`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DockerfileBuild } from '../engine/build-dockerfile.js';
import type { BuildRecorder } from '../engine/history/record-build.js';
import { NO_RECORDER, recordBuild } from '../engine/history/record-build.js';
import { usualPath } from '../engine/inputs/build-input.js';
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

/** A build that is kept, or not: the config file says. */
export interface KeptBuild extends Omit<BuildRecorder, 'id' | 'hide'> {
  readonly isKept: boolean;
  /** In the place of that of the request: what a step is given is kept out of the record. */
  readonly secret: DockerfileBuild['secret'];
}

/** @param platforms as they were asked for @throws UsageError for a config file that makes no sense */
export function keepBuild(store: Store, request: DockerfileBuild): KeptBuild {
  const bounds = readHistoryBounds(process.env);
  const { secret } = request;
  if (bounds.keepBuilds === 0) return { ...NO_RECORDER, isKept: false, secret };
  const { context, target, platforms, buildArgs = {}, labels = {}, result } = request;
  const origin = {
    command: process.argv.slice(2),
    context: absolute(context),
    dockerfile: dockerfilePath(request),
    target,
    platforms,
    variables: [buildArgs, labels, result?.env ?? {}],
  };
  const record = recordBuild(store, origin, bounds);
  const hiding = (id: string): Buffer | undefined => {
    const value = secret?.(id);
    if (value) record.hide(value.toString('utf8'));
    return value;
  };
  return { ...record, isKept: true, secret: secret && hiding };
}
