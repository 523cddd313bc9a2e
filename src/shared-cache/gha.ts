/**
 * Caches of GitHub Actions. What was written under a key stays as it is until GitHub removes it, a week
 * after its last use or when the repository's caches grow too large. So each list of entries is a new
 * key, the newest counts, and a blob that a list names may be gone.
 */

import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ArtifactSource, resolveArtifacts } from '../oci/artifact.js';
import { digestParts, getDigest, verified } from '../oci/blob-digest.js';
import { ImageError } from '../oci/image-error.js';
import { OCI_MANIFEST } from '../oci/media-types.js';
import { MAX_JSON_BYTES } from '../oci/parse-manifest.js';
import type { Access } from '../oci/registry/auth-config.js';
import { DEFAULT_RETRY } from '../oci/registry/retry.js';
import { type BlobReader, collect } from '../oci/resolve.js';
import type { Descriptor, Digest, ImageSink, OpenBlob } from '../oci/resolved-image.js';
import { getBlob, putBlob } from './gha-blobs.js';
import { type GhaService, openGhaService } from './gha-service.js';
import { type GhaPlace, ghaTitle } from './gha-spec.js';
import { blobGone, ListTakenError, type Place, type PlaceUse, patience } from './places.js';

/** A job that has taken a key sends its blob within this time, or never: it was killed. */
const POLLS = 5;
const POLL_MS = 400;

/** The service answers 429 to many jobs at once as a rule: that passes within a minute. */
const BUSY = { attempts: 6, longestDelay: DEFAULT_RETRY.longestDelay };

function blobKey(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest);
  return `wiac-blob-1-${algorithm}-${hex}`;
}

/** Scopes with the same beginning keep apart: no name has a `#` in it then. */
function listPrefix({ scope }: GhaPlace): string {
  return `wiac-list-1-${encodeURIComponent(scope)}#`;
}

function listKey(place: GhaPlace, number: number): string {
  return `${listPrefix(place)}${String(number).padStart(6, '0')}`;
}

/** 0 for a key that has none. */
function listNumber(key: string): number {
  const [, number = '0'] = /#(\d{1,12})$/.exec(key) ?? [];
  return Number(number);
}

/** What is known of a cache while one command uses it. */
interface Known {
  /** Number of the list that was read last; 0: there is none. Undefined: none was looked for. */
  read: number | undefined;
  /** Number of the list that was written last; 0: none was. */
  written: number;
  /** Numbers that others have taken without having written a list yet, with how often that was seen. */
  readonly taken: Map<number, number>;
  /** Blobs that are there. */
  readonly blobs: Set<Digest>;
}

function ghaSource(place: GhaPlace, known: Known, access: Access): ArtifactSource {
  const title = ghaTitle(place);
  const service = openGhaService(place, () => AbortSignal.timeout(place.timeoutMs), access, {
    ...patience(DEFAULT_RETRY, 'read'),
    ...BUSY,
  });
  const openBlob = async (descriptor: Descriptor): Promise<Readable> => {
    const key = blobKey(descriptor.digest);
    const found = await getBlob(service, key, [key]);
    if (!found) throw blobGone(title, descriptor.digest);
    return verified(found.body, descriptor, title, { reference: title });
  };
  /** What was written a moment ago may not be seen yet. */
  const newestList = async () => {
    const prefix = listPrefix(place);
    for (let made = 1; ; made += 1) {
      const found = await getBlob(service, prefix, [prefix]);
      if (made >= POLLS || listNumber(found?.key ?? '') >= known.written) return found;
      found?.body.destroy();
      await sleep(POLL_MS);
    }
  };
  const reader: BlobReader = {
    title,
    openBlob,
    readManifest: async (descriptor) =>
      collect(await openBlob(descriptor), MAX_JSON_BYTES, `manifest of ${title}`),
  };
  return {
    title,
    async artifacts(platform, maxConfigBytes) {
      const found = await newestList();
      known.read = found ? listNumber(found.key) : 0;
      if (!found)
        throw new ImageError(`there is no cache ${title}`, {
          reference: title,
          status: 404,
          hint: 'write one with wiac build --cache-to; a branch sees its own and those of the default branch',
        });
      const bytes = await collect(found.body, MAX_JSON_BYTES, `manifest of ${title}`);
      const descriptor = { mediaType: OCI_MANIFEST, digest: getDigest(bytes), size: bytes.length };
      return resolveArtifacts({ descriptor, bytes }, platform, reader, maxConfigBytes);
    },
    // Each list has a key of its own: a job that writes hears of another one from the service.
    digest: async () => undefined,
    close: () => service.close(),
  };
}

/** Sends a blob under a key that was free. */
async function write(
  service: GhaService,
  key: string,
  url: string,
  size: number,
  open: OpenBlob,
): Promise<void> {
  await putBlob(service, url, { what: `write ${key}`, size, open });
  await service.finish(key, size);
}

/** @returns whether the blob can be found; asked several times when another job has taken its key */
async function isThere(service: GhaService, key: string, polls = 1): Promise<boolean> {
  for (let made = 1; ; made += 1) {
    if (await service.find(key, [key])) return true;
    if (made >= polls) return false;
    await sleep(POLL_MS);
  }
}

async function sendBlob(
  service: GhaService,
  { digest, size }: { readonly digest: Digest; readonly size: number },
  open: OpenBlob,
): Promise<void> {
  const key = blobKey(digest);
  const url = await service.reserve(key);
  if (url !== undefined) return write(service, key, url, size, open);
  if (await isThere(service, key, POLLS)) return;
  // Whoever has taken the key was killed. Keys are looked up by their beginning.
  const other = `${key}-${randomBytes(8).toString('hex')}`;
  const otherUrl = await service.reserve(other);
  if (otherUrl === undefined) throw new ImageError(`write ${other}: the key is taken`);
  await write(service, other, otherUrl, size, open);
}

/** The key of a list that nobody else can write now. */
interface TakenKey {
  readonly number: number;
  readonly key: string;
  readonly url: string;
}

function ghaSink(place: GhaPlace, known: Known, access: Access, use: PlaceUse): ImageSink {
  const title = ghaTitle(place);
  const deadline = AbortSignal.timeout(place.timeoutMs);
  const service = openGhaService(place, () => deadline, access, {
    ...patience(DEFAULT_RETRY, use),
    ...BUSY,
  });
  const hasBlob = async (digest: Digest): Promise<boolean> => {
    if (!known.blobs.has(digest) && (await isThere(service, blobKey(digest))))
      known.blobs.add(digest);
    return known.blobs.has(digest);
  };
  /** Takes the key of the list after the one that was read. @throws ListTakenError */
  const takeNext = async (read: number): Promise<TakenKey> => {
    let number = read + 1;
    // Who took it has had time enough to write it.
    while ((known.taken.get(number) ?? 0) >= POLLS) number += 1;
    const key = listKey(place, number);
    const url = await service.reserve(key);
    if (url !== undefined) return { number, key, url };
    known.taken.set(number, (known.taken.get(number) ?? 0) + 1);
    throw new ListTakenError(title);
  };
  /** Takes any key after the newest list: what others write does not matter. */
  const takeAny = async (): Promise<TakenKey> => {
    const prefix = listPrefix(place);
    const found = await service.find(prefix, [prefix]);
    for (let number = listNumber(found?.key ?? '') + 1; ; number += 1) {
      const key = listKey(place, number);
      const url = await service.reserve(key);
      if (url !== undefined) return { number, key, url };
    }
  };
  const putList = async (bytes: Uint8Array): Promise<void> => {
    const { number, key, url } = await (known.read === undefined
      ? takeAny()
      : takeNext(known.read));
    await write(service, key, url, bytes.length, () => Readable.from([bytes]));
    known.written = number;
  };
  return {
    title,
    hasBlob,
    async putBlob({ digest, size }, open) {
      if (await hasBlob(digest)) return;
      await sendBlob(service, { digest, size }, open);
      known.blobs.add(digest);
    },
    async putManifest(bytes, mediaType, role) {
      const digest = getDigest(bytes);
      const size = bytes.length;
      if (role === 'root') await putList(bytes);
      else await sendBlob(service, { digest, size }, () => Readable.from([bytes]));
      return { mediaType, digest, size };
    },
    close: () => service.close(),
  };
}

/** A cache of GitHub Actions, to be read and written by one command. */
export function ghaCache(place: GhaPlace, access: Access, use: PlaceUse): Place {
  const known: Known = { read: undefined, written: 0, taken: new Map(), blobs: new Set() };
  return {
    source: () => ghaSource(place, known, access),
    sink: () => ghaSink(place, known, access, use),
    losesBlobs: true,
  };
}
