/**
 * Times of what no source has a time for. If they were those of the clock, the same files would
 * make another layer archive, and another digest, on each machine and each day.
 */
import { lstatSync, lutimesSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Seconds since the epoch for files whose content stands in the Dockerfile. */
export const NO_TIME = 0;

/** Gives a file, and everything below it, one time in seconds since the epoch. */
export function stampTree(path: string, seconds: number): void {
  if (lstatSync(path).isDirectory())
    for (const name of readdirSync(path)) stampTree(join(path, name), seconds);
  lutimesSync(path, seconds, seconds);
}

/**
 * Gives directories that a step made the newest time of what is in them; an empty one has none.
 * @param paths relative to the layer, in any order
 */
export function settleDirectories(layer: string, paths: Iterable<string>): void {
  const deepestFirst = [...new Set(paths)].sort((a, b) => b.length - a.length);
  for (const path of deepestFirst) {
    const directory = join(layer, path);
    const stats = lstatSync(directory, { throwIfNoEntry: false });
    if (!stats?.isDirectory()) continue;
    const times = readdirSync(directory).map((name) => lstatSync(join(directory, name)).mtimeMs);
    const newest = times.reduce((a, b) => Math.max(a, b), NO_TIME * 1000) / 1000;
    lutimesSync(directory, newest, newest);
  }
}

/** A path and all directories above it, the layer's own ('') among them. */
export function withAncestors(path: string): string[] {
  const components = path === '' ? [] : path.split('/');
  return components.map((_, index) => components.slice(0, index + 1).join('/')).concat('');
}
