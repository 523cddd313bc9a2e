/**
 * Paths of the store; cache-format.md, "Layout", specifies them.
 */
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { UsageError } from '../util/errors.js';
import { homeOr } from '../util/home-directory.js';
import type { LiveProcess } from './pins/live-process.js';
import type { Session } from './recovery/session.js';

/** Absolute paths of the store's parts. */
export interface StoreDirectories {
  readonly root: string;
  /** Text file with the number of the format version. */
  readonly version: string;
  /** Text file that says where overlayfs's marks are: see require-own-marks.ts. */
  readonly marks: string;
  /** A file that a copy of the store has to keep as it is: see recovery/sample.ts. */
  readonly sample: string;
  readonly index: string;
  readonly layers: string;
  /** Short symlinks to layer directories, for mount options limited to one page. */
  readonly links: string;
  /** Compressed layers, by digest as in an OCI image layout. */
  readonly blobs: string;
  readonly tmp: string;
  /** Cache mounts (RUN --mount=type=cache). */
  readonly mounts: string;
  /** What is known of their snapshots in shared caches: see notes-file.ts. */
  readonly mountNotes: string;
  /** Which blobs repositories of shared caches have: see notes-file.ts. */
  readonly cacheNotes: string;
  /** FIFOs of the processes that have the store open: see live-process.ts. */
  readonly live: string;
  /** FIFOs for processes to come. */
  readonly freeFifos: string;
  /** Who runs which step: see lease.ts. */
  readonly leases: string;
  /** What the index knows, in files: see record-files.ts. */
  readonly records: string;
  /** What is kept of former builds: see builds/. */
  readonly builds: string;
}

/** The parts of a store as the process sees them that has it open. */
export interface StorePaths extends StoreDirectories {
  /** The names of its work in progress end with its id. */
  readonly self: LiveProcess;
  /** How long what it writes is in the kernel's hands. */
  readonly session: Session;
}

/**
 * The store's root: $WIAC_ROOT, else $DATADIR (the article's variable), else /var/lib/wiac for
 * root and $XDG_DATA_HOME/wiac (default ~/.local/share/wiac) for other users.
 * @throws UsageError for one of those who has no home directory
 */
export function storeRoot(environment: NodeJS.ProcessEnv, isRoot: boolean): string {
  const { WIAC_ROOT, DATADIR, XDG_DATA_HOME } = environment;
  if (WIAC_ROOT) return resolve(WIAC_ROOT);
  if (DATADIR) return resolve(DATADIR);
  if (isRoot) return '/var/lib/wiac';
  const data = homeOr(XDG_DATA_HOME, '.local/share', environment);
  if (data === undefined)
    throw new UsageError('there is no place for a store: you have no home directory', {
      hint: 'set WIAC_ROOT to a directory that no other user may write to',
    });
  return resolve(data, 'wiac');
}

/** Paths of a store's parts. */
export function storePaths(root: string): StoreDirectories {
  return {
    root,
    version: join(root, 'format-version'),
    marks: join(root, 'overlay-marks'),
    sample: join(root, 'sample'),
    index: join(root, 'index'),
    layers: join(root, 'layers'),
    links: join(root, 'l'),
    blobs: join(root, 'blobs'),
    tmp: join(root, 'tmp'),
    mounts: join(root, 'mounts'),
    mountNotes: join(root, 'mount-notes'),
    cacheNotes: join(root, 'cache-notes'),
    live: join(root, 'live'),
    freeFifos: join(root, 'live/free'),
    leases: join(root, 'leases'),
    records: join(root, 'records'),
    builds: join(root, 'builds'),
  };
}

/** Where a blob is kept. @param digest begins with `sha256:` */
export function blobPath({ blobs }: StoreDirectories, digest: string): string {
  return join(blobs, digest.replace(':', '/'));
}

/** Directory for mount points and other short-lived files outside of the store: $TMPDIR. */
export function temporaryDirectory(): string {
  return tmpdir();
}

/** The directories of a store, which are all in its root. */
export function storeParts(paths: StoreDirectories): string[] {
  const { index, layers, links, blobs, tmp, live, records, sample } = paths;
  const { mounts, mountNotes, cacheNotes, leases, builds } = paths;
  const notes = [mountNotes, cacheNotes];
  return [
    index,
    layers,
    links,
    blobs,
    tmp,
    mounts,
    ...notes,
    live,
    leases,
    records,
    builds,
    sample,
  ];
}
