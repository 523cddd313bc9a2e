/**
 * Directories that all containers of a build have in common: each mounts there in a mount namespace of
 * its own. To make and remove them for every step costs several milliseconds of it.
 */
import { chmodSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Stubs } from './mount-points.js';
import { makePoint } from './mount-points.js';

export interface SharedPlaces {
  /** Empty directory where the merged view is mounted. */
  readonly root: () => string;
  /** Empty directory for files that are in memory only. */
  readonly memory: () => string;
  /** Empty directory for names in another order. */
  readonly names: () => string;
  /** A directory that holds these mount points, and nothing else. */
  readonly stubs: (stubs: Stubs) => string;
}

/**
 * @param parent gives a directory for all of them, on the file system of the layers: with several file
 *   systems overlayfs shows files of one tree as if they were on several devices
 */
export function sharedPlaces(parent: () => string): SharedPlaces {
  const made = new Map<string, string>();
  const make = (name: string, fill: (path: string) => void = () => {}) => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const path = mkdtempSync(join(parent(), 'container-'));
    // A container whose image has no layers sees this directory's mode as that of its root.
    chmodSync(path, 0o755);
    fill(path);
    made.set(name, path);
    return path;
  };
  return {
    root: () => make('root'),
    memory: () => make('memory'),
    names: () => make('names'),
    stubs: (stubs) => {
      const sorted = [...stubs].sort(([a], [b]) => (a < b ? -1 : 1));
      return make(`stubs ${JSON.stringify(sorted)}`, (path) => {
        for (const [name, kind] of sorted) makePoint(path, name, kind);
      });
    },
  };
}
