/**
 * Adds to a shared cache that other jobs write to as well. No registry swaps a tag only if it is what it
 * was. So a job reads the list, adds its own entries, writes it, and reads it again after a moment: when
 * another job has written over it, it adds its entries to that one's list.
 */
import { createPublicKey, type KeyObject, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ImageError } from '../oci/image-error.js';
import { hostPlatform } from '../oci/platform.js';
import type { Digest } from '../oci/resolved-image.js';
import { SIGNATURE_ANNOTATION } from './cache-media-types.js';
import type { EntryList } from './entry-list.js';
import { encodeList } from './entry-list.js';
import type { ListBounds } from './merge-lists.js';
import { boundList, EMPTY_LIST, mergeLists, withoutFuture, withoutMounts } from './merge-lists.js';
import type { Place } from './places.js';
import { MAX_LIST_BYTES, readCache } from './read-cache.js';
import type { OutgoingLayer } from './write-cache.js';
import { absentBlobs, blobsOf, putBlobs, putList } from './write-cache.js';

/** Every other writer wins once at most, as a rule. */
const ATTEMPTS = 20;

/** Longer than another writer takes from reading a list to writing it. ms */
const MOMENT = { least: 100, most: 400 };

/** How a cache is written. */
export interface Writing {
  /** Signs the list; only what it has signed is added to. */
  readonly signKey: KeyObject | undefined;
  readonly bounds: ListBounds;
  /** Days since the epoch. */
  readonly today: number;
  /** Lists of files of cache mounts that go; none unless given. */
  readonly dropped?: ReadonlySet<Digest>;
  /** Blobs that the place was seen to have; grows. */
  readonly seen?: Set<Digest>;
}

/**
 * The list that a place has. One that is not there, that can't be understood, or that others have
 * signed counts as none.
 * @throws ImageError when it is signed and we sign nothing: who trusts it would trust it no more
 */
export async function readListed(
  place: Place,
  signKey: KeyObject | undefined,
): Promise<EntryList | undefined> {
  const source = place.source();
  try {
    const artifact = await source.artifact(hostPlatform(), MAX_LIST_BYTES);
    const signature = artifact.manifest.annotations?.[SIGNATURE_ANNOTATION];
    if (signature !== undefined && signKey === undefined) throw new SignedError(artifact.title);
    return readCache(artifact, signKey === undefined ? [] : [createPublicKey(signKey)]).list;
  } catch (error) {
    if (!(error instanceof ImageError) || error instanceof SignedError) throw error;
    return undefined;
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
  const sink = place.sink();
  try {
    let there = await readListed(place, signKey);
    const known = new Set(blobsOf(there ?? EMPTY_LIST).map(({ digest }) => digest));
    const unseen = blobs.filter(({ descriptor }) => !seen.has(descriptor.digest));
    const listed = unseen.filter(({ descriptor }) => known.has(descriptor.digest));
    // A list may name what is there no more: somebody has removed it, or the list comes from elsewhere.
    const missing = [
      ...unseen.filter(({ descriptor }) => !known.has(descriptor.digest)),
      ...(await absentBlobs(sink, listed)),
    ];
    if (missing.length > 0) {
      await putBlobs(sink, missing);
      there = await readListed(place, signKey);
    }
    for (const { descriptor } of unseen) seen.add(descriptor.digest);
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const stays = withoutMounts(withoutFuture(there ?? EMPTY_LIST, today), dropped);
      const merged = boundList(mergeLists(ours, stays), bounds, today);
      if (there && encodeList(merged).equals(encodeList(there))) return;
      await putList(sink, merged, signKey);
      await sleep(randomInt(MOMENT.least, MOMENT.most));
      there = await readListed(place, signKey);
    }
    throw new ImageError(`the cache ${sink.title} is written by others all the time`, {
      reference: sink.title,
      hint: 'give each branch a cache of its own, and read several with --cache-from',
    });
  } finally {
    await sink.close();
  }
}
