/** Extended attributes that belong to files themselves. */
import { basename } from 'node:path';
import type { NamedFiles } from '../../native/named-files.js';
import type { RawXattrs } from '../../native/read-xattrs.js';
import { readListedXattrs } from '../../native/read-xattrs.js';
import { parentPath } from '../tree-path.js';
import type { Place } from './file-source.js';
import type { Xattrs } from './tree.js';

/** overlayfs's own marks are part of the layer format, not of the files. */
const OVERLAY = /^(trusted|user)\.overlay\./;
/** SELinux labels belong to this machine's policy, as BuildKit and tar leave them out. */
const HOST_ONLY = /^security\.selinux$/;

/** How names are read: as text, or byte by byte (`latin1`) since not every name is text. */
export type NameEncoding = 'utf8' | 'latin1';

/** What belongs to the file itself. */
export function keptXattrs(xattrs: RawXattrs, encoding: NameEncoding): Xattrs {
  return xattrs
    .map(([name, value]) => [name.toString(encoding), value.toString('hex')] as const)
    .filter(([name]) => !OVERLAY.test(name) && !HOST_ONLY.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Files below one root, by their directories. */
interface SameRoot {
  readonly files: NamedFiles[];
  /** In the order of the files. */
  readonly places: Place[];
}

function byRoot(places: readonly Place[]): Map<string, SameRoot> {
  const directories = new Map<string, Map<string, Place[]>>();
  for (const place of places) {
    const below = directories.get(place.root) ?? new Map<string, Place[]>();
    directories.set(place.root, below);
    const path = parentPath(place.path);
    const there = below.get(path);
    if (there) there.push(place);
    else below.set(path, [place]);
  }
  const roots = new Map<string, SameRoot>();
  for (const [root, below] of directories) {
    const files = [...below].map(([directory, there]) => ({
      directory,
      names: there.map(({ path }) => basename(path)),
    }));
    roots.set(root, { files, places: [...below.values()].flat() });
  }
  return roots;
}

/**
 * Reads the extended attributes of files (not of what symlinks point to).
 * @returns only the files that have any; overlayfs's marks and SELinux labels are left out
 * @throws the file system's errors, IsolationError
 */
export async function readXattrs(places: readonly Place[]): Promise<Map<Place, Xattrs>> {
  const found = new Map<Place, Xattrs>();
  const reading = [...byRoot(places)].map(([root, same]) =>
    readListedXattrs(root, same.files, (index, xattrs) => {
      const place = same.places[index];
      const kept = keptXattrs(xattrs, 'utf8');
      if (place && kept.length > 0) found.set(place, kept);
    }),
  );
  await Promise.all(reading);
  return found;
}
