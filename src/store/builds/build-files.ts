/** Files with what is kept of builds; cache-format.md, "Builds", specifies them. Nothing depends on them. */
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeAll } from '../../util/write-all.js';
import type { StoreDirectories } from '../paths.js';

/** When a build began (ms since 1970), in 13 digits so that names sort by time, and its id. */
const NAME = /^(\d{13})-([a-z2-7]{8})\.ndjson$/;
const LAST_MS = 9_999_999_999_999;

const DAY_MS = 86_400_000;

type WithPaths = { readonly paths: Pick<StoreDirectories, 'builds'> };

/** A build that has a file. */
export interface BuildFile {
  readonly id: string;
  /** ms since 1970; the file has the true one where the clock was set back before the build. */
  readonly started: number;
  readonly path: string;
}

/** How much is kept of former builds; no builds: none is kept. */
export interface HistoryBounds {
  readonly keepBuilds: number;
  readonly keepBytes: number;
  readonly keepDays: number;
}

/** Is it the name of a build's file? */
export function isBuildFile(name: string): boolean {
  return NAME.test(name);
}

function readNames({ paths: { builds } }: WithPaths): string[] {
  try {
    return readdirSync(builds);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function parseNames({ paths: { builds } }: WithPaths, names: readonly string[]): BuildFile[] {
  return names
    .flatMap((name) => {
      const [, started, id = ''] = NAME.exec(name) ?? [];
      return started === undefined
        ? []
        : [{ id, started: Number(started), path: join(builds, name) }];
    })
    .sort((a, b) => b.started - a.started || (a.id < b.id ? 1 : -1));
}

/** All builds, the newest first. @throws what the file system says */
export function listBuildFiles(store: WithPaths): BuildFile[] {
  return parseNames(store, readNames(store));
}

/** A file that grows. */
export interface GrowingBuild {
  /** All of it, or nothing. @throws what the file system says, ENOSPC for example */
  readonly append: (text: string) => void;
  readonly close: () => void;
}

/** When a build began, unless the clock was set back since the last one began: then just after that one. */
function timeOfName(store: WithPaths, started: number, now: number): number {
  const times = readNames(store).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
  const last = Math.max(0, ...times);
  return Math.min(last > now ? last + 1 : Math.max(0, started), LAST_MS);
}

/**
 * Begins a build's file. Nothing is synced: a power cut may take it.
 * @param started ms since 1970, as now
 * @throws what the file system says
 */
export function createBuildFile(
  store: WithPaths,
  id: string,
  started: number,
  now: number,
): GrowingBuild {
  const { builds } = store.paths;
  const time = String(timeOfName(store, started, now)).padStart(13, '0');
  const path = join(builds, `${time}-${id}.ndjson`);
  const open = () => openSync(path, 'ax', 0o600);
  let size = 0;
  let descriptor: number;
  try {
    descriptor = open();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(builds, { recursive: true, mode: 0o700 });
    descriptor = open();
  }
  return {
    append(text) {
      const bytes = Buffer.from(text);
      try {
        // A disk that is nearly full takes a part.
        writeAll(descriptor, bytes);
        size += bytes.length;
      } catch (error) {
        ftruncateSync(descriptor, size);
        throw error;
      }
    },
    close: () => closeSync(descriptor),
  };
}

/** One of so many builds more may be kept, for a while. */
const SLACK = 10;

/** 0 when it is gone: another process keeps the bounds too. */
function sizeOf({ path }: BuildFile): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/**
 * Removes the oldest builds until all bounds are kept; the newest stays, if any is to be kept. One that still
 * runs may be among them: it goes on without. A tenth more may lie there, so that not each build has to sort and
 * remove: 5 ms of a cached one.
 * @param now ms since 1970
 * @param countsBytes false: only their number and age, which takes one look at the directory
 * @returns how many were removed
 */
export function boundBuildFiles(
  store: WithPaths,
  { keepBuilds, keepBytes, keepDays }: HistoryBounds,
  now: number,
  countsBytes = true,
): number {
  const names = readNames(store);
  const oldest = Math.min(Math.floor(now - keepDays * DAY_MS), LAST_MS);
  // Most builds end here.
  if (
    !countsBytes &&
    names.length <= keepBuilds + Math.floor(keepBuilds / SLACK) &&
    names.every((name) => Number.parseInt(name, 10) >= oldest)
  )
    return 0;
  let bytes = 0;
  const surplus = parseNames(store, names).filter((file, index) => {
    if (index >= keepBuilds || file.started < oldest) return true;
    if (!countsBytes) return false;
    bytes += sizeOf(file);
    return index > 0 && bytes > keepBytes;
  });
  for (const { path } of surplus) rmSync(path, { force: true });
  return surplus.length;
}
