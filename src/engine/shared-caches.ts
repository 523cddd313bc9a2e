/** --cache-from and --cache-to: from what the command line says to what a build uses. */

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { ArtifactSource } from '../oci/artifact.js';
import { ImageError } from '../oci/image-error.js';
import { sweepLayout } from '../oci/layout.js';
import { hostPlatform } from '../oci/platform.js';
import type { RegistryOptions } from '../oci/registry/registry.js';
import type { Digest } from '../oci/resolved-image.js';
import { ghaTitle } from '../shared-cache/gha-spec.js';
import { makeInline } from '../shared-cache/inline.js';
import { mergeCache, readListed } from '../shared-cache/merge-cache.js';
import { dayOf, EMPTY_LIST, notingUse } from '../shared-cache/merge-lists.js';
import type { MountPlace } from '../shared-cache/mounts/outgoing.js';
import type { ListedMount } from '../shared-cache/mounts/snapshot.js';
import { isPlaceTrouble } from '../shared-cache/place-trouble.js';
import type { Place } from '../shared-cache/places.js';
import { cachePlace } from '../shared-cache/places.js';
import { MAX_LIST_BYTES, readCache } from '../shared-cache/read-cache.js';
import { readSignKey, readTrustKey } from '../shared-cache/signature.js';
import type { CacheFromSpec, CachePlace, CacheToSpec } from '../shared-cache/spec.js';
import { parseCacheFrom, parseCacheTo } from '../shared-cache/spec.js';
import { writeCache } from '../shared-cache/write-cache.js';
import type { Store } from '../store/store.js';
import { UsageError } from '../util/errors.js';
import type { CacheTarget, OutgoingCache } from './exports/export-cache.js';
import { noteSeen, readSeen } from './exports/seen-blobs.js';
import type { CacheSource } from './shared-cache.js';

/** The caches of a build. */
export interface SharedCaches {
  readonly from: readonly CacheSource[];
  readonly to: readonly CacheTarget[];
  /** Releases connections and files, after the build. */
  readonly close: () => Promise<void>;
}

function getTitle(place: CachePlace | { readonly type: 'inline' }): string {
  switch (place.type) {
    case 'registry':
      return place.reference;
    case 'local':
      return place.directory;
    case 'archive':
      return place.file;
    case 's3':
      return `s3://${place.bucket}/${place.prefix}${place.name}`;
    case 'gha':
      return ghaTitle(place);
    case 'inline':
      return 'in the image';
  }
}

/** Reads a cache when it is asked to. @param keep told of what has to be closed in the end */
export function cacheSource(
  { place, required, oneOf, trustKeys, mounts }: CacheFromSpec,
  keep: (source: ArtifactSource) => void,
  registry: RegistryOptions = {},
  alsoTrusted: readonly KeyObject[] = [],
): CacheSource {
  const option = place.type === 'archive' ? '--trust-key ' : 'trust-key=';
  const trusted = [...trustKeys.map((file) => readTrustKey(file, option)), ...alsoTrusted];
  return {
    title: getTitle(place),
    required,
    oneOf,
    registry: place.type === 'registry' ? place.reference : undefined,
    mounts,
    read: async () => {
      const source = (await cachePlace(place, registry)).source();
      keep(source);
      return readCache(await source.artifacts(hostPlatform(), MAX_LIST_BYTES), trusted);
    },
  };
}

/**
 * What a cache that is to be written has of cache mounts. One that is not there, or that others have
 * signed, has none.
 * @param key signs what is written: only what it has signed is passed on
 * @param onAbsent told of blobs that it turns out to lack
 */
async function openMounts(
  title: string,
  { source: openSource, sink: openSink }: Place,
  key: KeyObject | undefined,
  onAbsent: (digest: Digest) => void,
): Promise<MountPlace> {
  const [source, sink] = [openSource(), openSink()];
  const trusted = key === undefined ? [] : [createPublicKey(key)];
  const found = await source
    .artifacts(hostPlatform(), MAX_LIST_BYTES)
    .then((artifacts) => readCache(artifacts, trusted))
    .catch((error: unknown) => {
      if (error instanceof ImageError && !isPlaceTrouble(error)) return undefined;
      throw error;
    });
  return {
    title,
    cache: found,
    openBlob: async (descriptor) => {
      if (found) return found.openBlob(descriptor);
      throw new ImageError(`${title} has no cache mounts`);
    },
    hasBlob: async ({ digest, size }) => {
      const isThere = await sink.hasBlob(digest, size);
      if (!isThere) onAbsent(digest);
      return isThere;
    },
    close: async () => {
      await Promise.all([source.close(), sink.close()]);
    },
  };
}

/** Between two writes of a list while a build runs: a job reads and writes it each time. */
const PAUSE_MS = 2000;
/** GitHub counts a repository's uploads by the minute, and keeps each list that was written. */
const GHA_PAUSE_MS = 15_000;

/** Writes a cache when it is asked to. */
export function cacheTarget(spec: CacheToSpec, registry: RegistryOptions = {}): CacheTarget {
  const { place, mode, compression, ignoreError, signKey, mounts: selection, bounds } = spec;
  const option = place.type === 'archive' ? '--sign-key ' : 'sign-key=';
  const key = signKey === undefined ? undefined : readSignKey(signKey, option);
  const title = getTitle(place);
  let found: Promise<Place> | undefined;
  let isLate = false;
  const inUse = new Set<{ readonly close: () => Promise<void> }>();
  const using = <T extends { readonly close: () => Promise<void> }>(opened: T): T => {
    const close = async () => {
      inUse.delete(own);
      await opened.close();
    };
    const own = { ...opened, close };
    inUse.add(own);
    return own;
  };
  const openPlace = async (where: CachePlace): Promise<Place> => {
    const opened = await cachePlace(where, registry, isLate ? 'write again' : 'write');
    return {
      ...opened,
      source: () => using(opened.source()),
      sink: () => using(opened.sink()),
    };
  };
  const getPlace = (where: CachePlace): Promise<Place> => {
    found ??= openPlace(where);
    return found;
  };
  let seen: { readonly day: number; readonly digests: Set<Digest> } | undefined;
  const absent = new Set<Digest>();
  const seenToday = (store: Store, repository: string | undefined, today: number): Set<Digest> => {
    // What was seen yesterday is not to be noted as seen today.
    if (seen?.day !== today) seen = { day: today, digests: readSeen(store, repository, today) };
    for (const digest of absent) seen.digests.delete(digest);
    absent.clear();
    return seen.digests;
  };
  const write = async ({ list, layers, mounts }: OutgoingCache, store: Store) => {
    if (place.type === 'inline') return makeInline(list, key);
    const opened = await getPlace(place);
    const today = dayOf(Date.now());
    const used = notingUse(list, today);
    const { taken, kept, dropped } = mounts;
    const withMounts = (listed: readonly ListedMount[]) =>
      listed.length === 0 ? used : { ...used, mounts: listed };
    const blobs = [...layers, ...mounts.blobs];
    const known = seenToday(store, opened.repository, today);
    const writing = { signKey: key, today, dropped, seen: known };
    // What the place has is read again there: another job may have written it meanwhile.
    if (bounds) {
      try {
        await mergeCache(opened, withMounts(taken), blobs, { ...writing, bounds });
      } catch (error) {
        // At the end of the build it is not waited for as long as while it ran.
        if (isPlaceTrouble(error)) [found, isLate] = [undefined, true];
        throw error;
      }
      noteSeen(store, opened.repository, today, known);
    } else await writeCache(opened.sink(), withMounts([...taken, ...kept]), blobs, key);
    return undefined;
  };
  return {
    title,
    mode,
    compression,
    ignoreError,
    merges: bounds !== undefined,
    pauseMs: place.type === 'gha' ? GHA_PAUSE_MS : PAUSE_MS,
    gathered: { records: new Map(), whole: new Set(), layers: new Set() },
    mounts:
      selection && place.type !== 'inline'
        ? {
            selection,
            open: async () =>
              openMounts(title, await getPlace(place), key, (one) => absent.add(one)),
          }
        : undefined,
    write,
    abandon: async () => {
      await Promise.all([...inUse].map((opened) => opened.close()));
    },
  };
}

/**
 * A cache that cache mounts are read from, without a build.
 * @param text as in --cache-from
 * @param environment of access keys (S3)
 * @throws UsageError, UnsupportedError for a value that can't be understood
 */
export function mountsSource(
  text: string,
  environment: NodeJS.ProcessEnv,
  keep: (source: ArtifactSource) => void,
  registry: RegistryOptions,
): CacheSource {
  const [spec, ...others] = parseCacheFrom(text, environment);
  if (!spec || others.length > 0) throw new UsageError(`${text} names several caches: name one`);
  return cacheSource({ ...spec, required: true }, keep, registry);
}

/** A cache that cache mounts are written to. @param text as in --cache-to, with mounts=true */
export function mountsTarget(
  text: string,
  environment: NodeJS.ProcessEnv,
  registry: RegistryOptions,
): CacheTarget {
  return cacheTarget(parseCacheTo(text, environment, true), registry);
}

/** What bounding a shared cache has done. */
export interface Bounded {
  readonly before: number;
  readonly after: number;
  /** Bytes that were freed at once; a registry frees what nothing names when it likes. */
  readonly freed: number;
}

/**
 * Removes from a shared cache what its bounds say, and of a directory what nothing names then.
 * @param text as in --cache-to, with max-entries and max-age
 * @throws UsageError, UnsupportedError for a value that can't be understood; ImageError when there is
 *   no such cache
 */
export async function boundCache(
  text: string,
  environment: NodeJS.ProcessEnv,
  registry: RegistryOptions,
): Promise<Bounded> {
  const { place, bounds, signKey } = parseCacheTo(text, environment);
  if (place.type === 'inline' || !bounds)
    throw new UsageError(`${text} has nothing to be removed`, {
      hint: 'name a cache of a registry, a directory or a bucket, without merge=false',
    });
  const opened = await cachePlace(place, registry, 'write');
  const key = signKey === undefined ? undefined : readSignKey(signKey);
  const there = await readListed(opened, key);
  if (!there)
    throw new ImageError(`there is no cache ${getTitle(place)} that could be read`, {
      hint: 'a signed one takes sign-key=FILE',
    });
  const now = Date.now();
  const writing = { signKey: key, bounds, today: dayOf(now), dropped: new Set<Digest>() };
  await mergeCache(opened, EMPTY_LIST, [], writing);
  const after = await readListed(opened, key);
  const freed = place.type === 'local' ? await sweepLayout(place.directory, now) : 0;
  return { before: there.entries.length, after: after?.entries.length ?? 0, freed };
}

/**
 * Opens nothing yet.
 * @param trustKeys files with public keys that count for all of them, as the config file names them
 * @param registry how registries are reached
 * @param environment of access keys (S3)
 * @throws UsageError, UnsupportedError for values that can't be understood
 */
export function openSharedCaches(
  from: readonly string[],
  to: readonly string[],
  trustKeys: readonly string[],
  registry: RegistryOptions,
  environment: NodeJS.ProcessEnv,
): SharedCaches {
  const opened: ArtifactSource[] = [];
  const keep = (source: ArtifactSource) => void opened.push(source);
  const files = from.length === 0 ? [] : trustKeys;
  const keys = files.map((file) => readTrustKey(file, 'cache.trustKeys '));
  const targets = to.map((text) => cacheTarget(parseCacheTo(text, environment), registry));
  // The first job that reads and writes a cache does not find it.
  const written = new Set(targets.map(({ title }) => title));
  return {
    from: from.flatMap((text) =>
      parseCacheFrom(text, environment).map((spec) => {
        const mayLack = spec.oneOf || written.has(getTitle(spec.place));
        return cacheSource({ ...spec, oneOf: mayLack }, keep, registry, keys);
      }),
    ),
    to: targets,
    close: async () => {
      await Promise.all(opened.map((source) => source.close()));
    },
  };
}
