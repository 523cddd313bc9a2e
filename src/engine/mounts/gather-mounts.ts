/** Cache mounts into a shared cache: what changed since its last snapshots, and what it keeps. */
import { createReadStream, existsSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzipThreads } from '../../fs/archive/gzip-threads.js';
import { getDigest } from '../../oci/blob-digest.js';
import { getMessage, ImageError } from '../../oci/image-error.js';
import { encodeFiles } from '../../shared-cache/mounts/encode-snapshot.js';
import type { MountPlace, OutgoingMounts } from '../../shared-cache/mounts/outgoing.js';
import { filesDescriptor, packDescriptor } from '../../shared-cache/mounts/outgoing.js';
import type { ListedMount } from '../../shared-cache/mounts/snapshot.js';
import type { MountSelection } from '../../shared-cache/spec.js';
import type { OutgoingLayer } from '../../shared-cache/write-cache.js';
import { holdMounts, mountLease, mountPath } from '../../store/pins/cache-mounts.js';
import type { Lease } from '../../store/pins/lease.js';
import { releaseLease, takeLease } from '../../store/pins/lease.js';
import type { Store } from '../../store/store.js';
import { canonicalJson } from '../../util/canonical-json.js';
import { plural } from '../../util/plural.js';
import { semaphore } from '../../util/semaphore.js';
import type { MountNotes } from './mount-notes.js';
import { writeNotes } from './mount-notes.js';
import type { WantedMount } from './plan-mounts.js';
import { readSnapshot, selects } from './read-snapshot.js';
import type { SurveyedMount } from './survey-mounts.js';
import { boundMounts, surveyMount } from './survey-mounts.js';
import type { SnapshotBase } from './take-snapshot.js';
import { NO_SNAPSHOT, notedBase, takeSnapshot } from './take-snapshot.js';
import type { PackOptions } from './write-packs.js';

/** What taking snapshots needs of a build. */
export interface MountSession {
  readonly store: Store;
  /** Directory for short-lived files. */
  readonly scratch: () => string;
  readonly signal: AbortSignal;
  readonly warn: (message: string) => void;
}

/** Questions to a place at the same time. */
const PARALLEL = 8;

/** Counts up, for names that must not repeat. */
const counter = () => {
  let number = 0;
  return () => {
    number += 1;
    return number;
  };
};

/** Which of these blobs does the place not have any more? */
async function findLost<T extends ListedMount['files']>(
  place: MountPlace,
  blobs: readonly T[],
): Promise<Set<T>> {
  const inSlot = semaphore(PARALLEL);
  const lost = new Set<T>();
  const ask = async (blob: T) => {
    if (!(await place.hasBlob(blob))) lost.add(blob);
  };
  await Promise.all(blobs.map((blob) => inSlot(() => ask(blob))));
  return lost;
}

/** Mounts that are not here stay as they are, unless something of them is gone. */
async function completeMounts(
  place: MountPlace,
  mounts: readonly ListedMount[],
): Promise<ListedMount[]> {
  const complete: ListedMount[] = [];
  for (const mount of mounts) {
    const blobs = [mount.files, ...mount.packs];
    if ((await findLost(place, blobs)).size === 0) complete.push(mount);
  }
  return complete;
}

/** The same files may be in other packs elsewhere: with another compression, say. */
function isNoted(
  notes: MountNotes | undefined,
  { files, packs }: ListedMount,
): notes is MountNotes {
  return (
    notes?.id === files.digest &&
    notes.packs.length === packs.length &&
    notes.packs.every(({ digest }, at) => digest === packs[at]?.digest)
  );
}

/** What the place has of a mount: from the notes if they know it, to spare fetching it. */
async function formerSnapshot(
  { notes }: SurveyedMount,
  listed: ListedMount | undefined,
  place: MountPlace,
): Promise<Omit<SnapshotBase, 'lost' | 'signal'>> {
  if (!listed) return NO_SNAPSHOT;
  if (isNoted(notes, listed)) return notedBase(notes);
  try {
    const snapshot = await readSnapshot(listed, place);
    return { packs: snapshot.packs, notes: undefined, snapshot: () => snapshot };
  } catch (error) {
    // What can't be read is written anew.
    if (error instanceof ImageError) return NO_SNAPSHOT;
    throw error;
  }
}

interface Gathered {
  readonly listed: ListedMount;
  readonly blobs: readonly OutgoingLayer[];
}

async function gatherMount(
  session: MountSession,
  survey: SurveyedMount,
  listed: ListedMount | undefined,
  place: MountPlace,
  packing: PackOptions,
): Promise<Gathered> {
  const { store, signal, warn } = session;
  const { name, id } = survey;
  const former = await formerSnapshot(survey, listed, place);
  const lostPacks = await findLost(place, former.packs);
  const lost = new Set([...lostPacks].map((pack) => former.packs.indexOf(pack)));
  const taken = await takeSnapshot(survey, { ...former, lost, signal }, packing);
  const { packs, list, made, leftOut } = taken;
  if (leftOut > 0)
    warn(
      `the cache mount ${id} travels without ${plural(leftOut, 'file')} that changed while wiac read the mount`,
    );
  const isSame =
    listed !== undefined &&
    lost.size === 0 &&
    canonicalJson({ ...listed.root }) === canonicalJson({ ...survey.root }) &&
    taken.isSame;
  if (isSame) {
    // More files may be known to be its own than before.
    writeNotes(store, name, { id: listed.files.digest, packs, ...list });
    return { listed, blobs: [] };
  }
  const bytes = encodeFiles(list.members.map((member) => member.bytes));
  const files = { digest: getDigest(bytes), size: bytes.length };
  writeNotes(store, name, { id: files.digest, packs, ...list });
  return {
    listed: {
      name,
      id,
      root: survey.root,
      files,
      packs,
      ...taken.totals,
      created: survey.seenAt,
    },
    blobs: [
      ...made.map(({ pack, path }) => ({
        descriptor: packDescriptor(pack),
        open: () => createReadStream(path),
      })),
      { descriptor: filesDescriptor(files), open: () => Readable.from([bytes]) },
    ],
  };
}

/** What the file system refuses of one mount is no reason to give away nothing. */
async function unlessUnreadable<T>(
  { warn }: MountSession,
  id: string,
  action: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (syscall === undefined || code === 'ENOSPC' || code === 'EDQUOT') throw error;
    warn(`the cache mount ${id} does not travel: ${getMessage(error)}`);
    return undefined;
  }
}

/**
 * Takes snapshots of mounts that are here. Steps that have one of them alone wait meanwhile, and are
 * waited for. What can't be read is a warning, and the place keeps what it has of it.
 * @param wanted in the order of their names
 * @throws ImageError when the place fails; NoSpaceError; the signal's reason
 */
export async function gatherMounts(
  session: MountSession,
  wanted: readonly WantedMount[],
  selection: MountSelection,
  place: MountPlace,
  compression: 'gzip' | 'zstd',
): Promise<OutgoingMounts> {
  const { store, signal } = session;
  const listed = place.cache?.list.mounts ?? [];
  const here = wanted.filter(
    ({ id, name }) => selects(selection, id) && existsSync(mountPath(store, name)),
  );
  holdMounts(
    store,
    here.map(({ name }) => name),
  );
  const leases: Lease[] = [];
  const threads = createGzipThreads();
  try {
    for (const { name, alone } of here) {
      const lease = alone && (await takeLease(store, mountLease(name), { signal }));
      if (lease) leases.push(lease);
    }
    const surveys: SurveyedMount[] = [];
    for (const { name, id } of here) {
      const survey = await unlessUnreadable(session, id, () => surveyMount(store, name, id));
      if (survey) surveys.push(survey);
    }
    const isHere = new Set(surveys.map(({ name }) => name));
    const others = listed.filter(({ name }) => !isHere.has(name));
    const kept = boundMounts(
      { surveys, former: await completeMounts(place, others) },
      selection.most,
    );
    const byName = new Map(listed.map((mount) => [mount.name, mount]));
    // Of this place alone: a build may write to several, and what is sent to one stays until its end.
    const scratch = mkdtempSync(join(session.scratch(), 'mounts-'));
    const packing = { scratch, compression, threads, nextNumber: counter() };
    const gathered: Gathered[] = [];
    for (const survey of kept.surveys) {
      const former = byName.get(survey.name);
      const one = await unlessUnreadable(session, survey.id, () =>
        gatherMount(session, survey, former, place, packing),
      );
      if (one) gathered.push(one);
      else if (former) gathered.push({ listed: former, blobs: [] });
    }
    const isNew = ({ listed: one }: Gathered) => byName.get(one.name) !== one;
    const stays = [
      ...kept.former,
      ...gathered.filter((one) => !isNew(one)).map((one) => one.listed),
    ];
    const taken = gathered.filter(isNew);
    const goes = listed.filter((mount) => !stays.includes(mount));
    return {
      taken: taken.map((one) => one.listed),
      kept: stays,
      dropped: new Set(goes.map(({ files }) => files.digest)),
      blobs: taken.flatMap(({ blobs }) => blobs),
    };
  } finally {
    threads.close();
    for (const lease of leases) releaseLease(store, lease);
  }
}
