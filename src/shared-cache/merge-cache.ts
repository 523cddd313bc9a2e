/**
 * Adds to a shared cache that other jobs write to as well. No registry swaps a tag only if it is what it
 * was. So a job reads the list, adds its own entries, and sends the new list without its name. Then it asks
 * whether the name still means what was read; if so it gives the name to its own list, which takes a
 * moment. After some more of these moments it asks again: when another job has written over it, it adds its
 * entries to that one's list.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { ArtifactSource } from '../oci/artifact.js';
import { ImageError } from '../oci/image-error.js';
import { hostPlatform } from '../oci/platform.js';
import { replaceManifest } from '../oci/replace-manifest.js';
import type { Digest, ImageSink } from '../oci/resolved-image.js';
import { SIGNATURE_ANNOTATION } from './cache-media-types.js';
import type { EntryList } from './entry-list.js';
import { encodeList } from './entry-list.js';
import type { ListBounds } from './merge-lists.js';
import {
  boundList,
  EMPTY_LIST,
  mergeLists,
  withoutBlobs,
  withoutFuture,
  withoutMounts,
} from './merge-lists.js';
import { isPlaceTrouble } from './place-trouble.js';
import { ListTakenError, NOT_FOUND, type Place } from './places.js';
import { MAX_LIST_BYTES, readCache } from './read-cache.js';
import type { OutgoingLayer } from './write-cache.js';
import { absentBlobs, blobsOf, nameList, prepareList, putBlobs } from './write-cache.js';

/** Every other writer wins once at most, as a rule. */
const ATTEMPTS = 20;

/** How a cache is written. */
export interface Writing {
  /** Signs the list; only what it has signed is added to. */
  readonly signKey: KeyObject | undefined;
  readonly bounds: ListBounds;
  /** Days since the epoch. */
  readonly today: number;
  /** Lists of files of cache mounts that go; none unless given. */
  readonly dropped?: ReadonlySet<Digest>;
  /** Blobs that the place was seen to have: not asked for again. Grows; empty once they are no more to be relied on. */
  readonly seen?: Set<Digest>;
}

/** What a place has. */
interface Found {
  /** Undefined: none that counts. */
  readonly list: EntryList | undefined;
  /** Digest of what the place's name means; undefined: nothing, or nobody knows. */
  readonly root: Digest | undefined;
}

async function askRoot(source: ArtifactSource): Promise<Digest | undefined> {
  try {
    return await source.digest();
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

/**
 * @throws ImageError when it is signed and we sign nothing: who trusts it would trust it no more; and
 *   when nobody knows what is there
 */
async function readFound(source: ArtifactSource, signKey: KeyObject | undefined): Promise<Found> {
  try {
    const artifacts = await source.artifacts(hostPlatform(), MAX_LIST_BYTES);
    const [{ manifest, title, root }] = artifacts;
    const signature = manifest.annotations?.[SIGNATURE_ANNOTATION];
    if (signature !== undefined && signKey === undefined) throw new SignedError(title);
    const trusted = signKey === undefined ? [] : [createPublicKey(signKey)];
    return { list: readCache(artifacts, trusted).list, root };
  } catch (error) {
    if (!(error instanceof ImageError) || error instanceof SignedError) throw error;
    if (isPlaceTrouble(error)) throw error;
    return { list: undefined, root: await askRoot(source) };
  }
}

/**
 * The list that a place has. One that is not there, that can't be understood, or that others have
 * signed counts as none.
 * @throws ImageError as readFound
 */
export async function readListed(
  place: Place,
  signKey: KeyObject | undefined,
): Promise<EntryList | undefined> {
  const source = place.source();
  try {
    return (await readFound(source, signKey)).list;
  } finally {
    await source.close();
  }
}

class SignedError extends ImageError {
  constructor(title: string) {
    super(`the cache ${title} is signed: what is written without a key, nobody would trust`, {
      reference: title,
      hint: 'write it with sign-key=FILE, or write another one',
    });
  }
}

/** HTTP: a manifest that names a blob which the repository does not have (OCI distribution spec, MANIFEST_BLOB_UNKNOWN). */
const REFUSED = new Set([400, NOT_FOUND]);

/** The place refuses a list: a blob that was seen earlier may be gone. */
function mayLackBlobs(error: unknown): boolean {
  return error instanceof ImageError && REFUSED.has(error.status ?? 0);
}

/**
 * Sends the blobs of a list that the place lacks. It is asked for those that it was not seen to have.
 * @returns those that were to come from a cache, which has lost them
 */
async function sendBlobs(
  place: Place,
  sink: ImageSink,
  blobs: readonly OutgoingLayer[],
  listed: EntryList,
  seen: Set<Digest>,
): Promise<ReadonlySet<Digest>> {
  const known = new Set(blobsOf(listed).map(({ digest }) => digest));
  const isListed = ({ descriptor }: OutgoingLayer) => known.has(descriptor.digest);
  // A registry names no list whose blobs it lacks. In a directory or a bucket somebody may have put another cache since.
  const isSeen = (blob: OutgoingLayer) =>
    seen.has(blob.descriptor.digest) && (place.repository !== undefined || isListed(blob));
  const unseen = blobs.filter((blob) => blob.replaces || !isSeen(blob));
  // A list may name what is there no more: somebody has removed it, or the list comes from elsewhere.
  const missing = place.losesBlobs
    ? unseen
    : [
        ...unseen.filter((blob) => !isListed(blob)),
        ...(await absentBlobs(sink, unseen.filter(isListed))),
      ];
  const gone = await putBlobs(sink, missing);
  for (const { descriptor } of unseen)
    if (!gone.has(descriptor.digest)) seen.add(descriptor.digest);
  return gone;
}

/**
 * A place that has no list may have been emptied, or be another registry at the same address: one blob that it was
 * seen to have tells.
 */
async function checkSeen(
  sink: ImageSink,
  blobs: readonly OutgoingLayer[],
  seen: Set<Digest>,
): Promise<void> {
  const known = blobs.find(({ descriptor }) => seen.has(descriptor.digest));
  if (known && !(await sink.hasBlob(known.descriptor.digest, known.descriptor.size))) seen.clear();
}

/** @returns undefined when another job is writing a list: it is read, and added to, once it is there */
async function nameUnlessTaken(sink: ImageSink, manifest: Uint8Array): Promise<Digest | undefined> {
  try {
    return (await nameList(sink, manifest)).digest;
  } catch (error) {
    if (error instanceof ListTakenError) return undefined;
    throw error;
  }
}

/**
 * Adds entries to what a place has, and keeps it within its bounds. Writes nothing when that changes nothing.
 * @param blobs of the list's layers and mounts
 * @throws ImageError
 */
export async function mergeCache(
  place: Place,
  own: EntryList,
  blobs: readonly OutgoingLayer[],
  { signKey, bounds, today, dropped = new Set(), seen = new Set() }: Writing,
): Promise<void> {
  const ours = withoutFuture(own, today);
  const [source, sink] = [place.source(), place.sink()];
  try {
    let there = await readFound(source, signKey);
    if (there.list === undefined) await checkSeen(sink, blobs, seen);
    const isRelied = seen.size > 0;
    const send = () => sendBlobs(place, sink, blobs, there.list ?? EMPTY_LIST, seen);
    let gone = await send();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const stays = withoutMounts(withoutFuture(there.list ?? EMPTY_LIST, today), dropped);
      const joined = withoutBlobs(mergeLists(ours, stays), gone);
      const merged = boundList(joined, bounds, today);
      if (there.list && encodeList(merged).equals(encodeList(there.list))) return;
      const manifest = await prepareList(sink, merged, signKey);
      const name = {
        ask: () => askRoot(source),
        put: () => nameUnlessTaken(sink, manifest),
      };
      try {
        if (await replaceManifest(name, there.root)) return;
      } catch (error) {
        if (!isRelied || seen.size === 0 || !mayLackBlobs(error)) throw error;
        seen.clear();
        gone = await send();
      }
      there = await readFound(source, signKey);
    }
    // Others would have written a list.
    if (!there.list)
      throw new ImageError(`the cache ${sink.title} does not keep what is written to it`, {
        reference: sink.title,
        hint: 'does it answer itself, or something on the way to it, such as a proxy that wants a login?',
      });
    throw new ImageError(`the cache ${sink.title} is written by others all the time`, {
      reference: sink.title,
      hint: 'give each branch a cache of its own, and read several with --cache-from',
    });
  } finally {
    await Promise.all([source.close(), sink.close()]);
  }
}
