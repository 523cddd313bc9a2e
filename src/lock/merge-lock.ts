/** A lock file and what was found now become the new lock file. Pure. */
import type { LockedSource, LockFile } from './lock-file.js';
import { byText, describeSource, lockedValue, sourceKey } from './lock-file.js';

/** What was asked about. */
export interface MergeScope {
  /** Every stage with its default arguments: what nothing uses then is left out. */
  readonly whole: boolean;
  readonly platforms: readonly string[];
}

/** Was every platform of the lock file asked about? Then what was not found is not used. */
export function coversAll(lock: LockFile, platforms: readonly string[]): boolean {
  return lock.platforms.every((platform) => platforms.includes(platform));
}

function withUses(source: LockedSource, before: LockedSource | undefined): LockedSource {
  const uses = [...(before?.usedBy ?? []), ...source.usedBy];
  return { ...source, usedBy: [...new Set(uses)].sort(byText) };
}

/**
 * Joins the two. Sources of another platform, target or build argument stay what they are.
 * @param found each once
 */
export function mergeLock(
  before: LockFile,
  found: readonly LockedSource[],
  { whole, platforms }: MergeScope,
): LockFile {
  const known = new Map(before.sources.map((source) => [sourceKey(source), source]));
  const now = new Set(found.map(sourceKey));
  const names = new Set(found.map(({ kind, name }) => `${kind} ${name}`));
  const isRest = !coversAll(before, platforms);
  const isKept = (source: LockedSource) =>
    !now.has(sourceKey(source)) &&
    (!whole ||
      (isRest &&
        source.kind === 'image' &&
        !platforms.includes(source.platform) &&
        names.has(`image ${source.name}`)));
  const kept = before.sources.filter(isKept);
  const added = whole
    ? found
    : found.map((source) => withUses(source, known.get(sourceKey(source))));
  return {
    ...before,
    platforms: [...new Set([...before.platforms, ...platforms])],
    sources: [...kept, ...added],
  };
}

/** One line of what changed. */
export interface LockChange {
  readonly change: 'added' | 'removed' | 'changed';
  /** As messages have it. */
  readonly source: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** What differs between two lock files, in their order. */
export function compareLocks(before: LockFile, after: LockFile): LockChange[] {
  const old = new Map(before.sources.map((source) => [sourceKey(source), source]));
  const now = new Map(after.sources.map((source) => [sourceKey(source), source]));
  const keys = [...new Set([...old.keys(), ...now.keys()])].sort(byText);
  return keys.flatMap((key): LockChange[] => {
    const [was, is] = [old.get(key), now.get(key)];
    const either = was ?? is;
    if (!either || (was && is && lockedValue(was) === lockedValue(is))) return [];
    const change = !was ? 'added' : !is ? 'removed' : 'changed';
    return [
      {
        change,
        source: describeSource(either),
        before: was && lockedValue(was),
        after: is && lockedValue(is),
      },
    ];
  });
}
