/**
 * Which blobs the repository of a shared cache was seen to have today. It spares asking for each of them
 * with every export: a registry names no list whose blobs it lacks, and then all are asked for. After a
 * day they are asked for again, so that what was removed comes back although the list stays as it is.
 */
import type { Digest } from '../../oci/resolved-image.js';
import { readNotesFile, writeNotesFile } from '../../store/pins/notes-file.js';
import type { Store } from '../../store/store.js';
import { sha256 } from '../../util/canonical-json.js';

/** Version of the file; others are ignored. */
const VERSION = 1;

/** More are not noted: who has so many asks for them. */
const MOST = 100_000;

/** Digits of the file's name. */
const NAME_DIGITS = 32;

interface Noted {
  readonly version: number;
  /** Days since the epoch. */
  readonly day: number;
  readonly digests: readonly Digest[];
}

const nameOf = (repository: string) => sha256(repository).slice(0, NAME_DIGITS);

/**
 * @param repository undefined: of a place where nothing is noted
 * @param today days since the epoch
 */
export function readSeen(store: Store, repository: string | undefined, today: number): Set<Digest> {
  const bytes =
    repository === undefined ? undefined : readNotesFile(store, 'cacheNotes', nameOf(repository));
  try {
    const { version, day, digests } = JSON.parse(String(bytes ?? '{}')) as Partial<Noted>;
    return new Set(version === VERSION && day === today ? digests : []);
  } catch {
    // A file that was cut off by a full disk, say.
    return new Set();
  }
}

/** @param seen all that is known now @throws the file system's errors */
export function noteSeen(
  store: Store,
  repository: string | undefined,
  today: number,
  seen: ReadonlySet<Digest>,
): void {
  if (repository === undefined || seen.size > MOST) return;
  const noted: Noted = { version: VERSION, day: today, digests: [...seen].sort() };
  writeNotesFile(store, 'cacheNotes', nameOf(repository), JSON.stringify(noted));
}
