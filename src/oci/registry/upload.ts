/** Pushes to a registry: "Push" of the OCI distribution-spec 1.1. */
import { Readable } from 'node:stream';
import { getDigest } from '../blob-digest.js';
import { ImageError } from '../image-error.js';
import type { Descriptor, Digest, OpenBlob } from '../resolved-image.js';
import { openCursor } from './byte-cursor.js';
import { hasBlob, type RegistryClient } from './client.js';
import type { RegistryResponse } from './exchange.js';
import { headerUrl } from './http-errors.js';
import { isTransientError, isTransientStatus, retryDelay, silenceAfter } from './retry.js';

/** How blobs are pushed. */
export interface UploadOptions {
  /** Another repository of this registry that may have the blob, to mount it from there. */
  readonly mountFrom?: string | undefined;
  /**
   * Bytes of one request. Undefined: the blob in one request, and in pieces only when that fails;
   * every registry knows the one, not every one the other.
   */
  readonly chunkBytes?: number | undefined;
}

/** What pushing a blob came to. */
export type Uploaded = 'present' | 'mounted' | 'uploaded';

/** Piece size after a blob in one request was refused or broke. */
const FALLBACK_CHUNK = 32 * 1024 * 1024;

/** An upload that the registry has begun. */
export interface Upload {
  readonly location: URL;
  /** Bytes that the registry has. */
  readonly offset: number;
  readonly minimumChunk: number;
}

/** The upload that an answer speaks of. @throws ImageError */
export function getUpload(
  { session: { registry } }: RegistryClient,
  response: RegistryResponse,
  offset: number,
  what: string,
): Upload {
  const location = response.header('location');
  if (location === undefined)
    throw new ImageError(`${what}: the registry gave no location to upload to`, {
      registry,
      status: response.status,
    });
  return {
    location: headerUrl(location, response, registry, what),
    offset,
    minimumChunk: Number(response.header('oci-chunk-min-length') ?? 0) || 0,
  };
}

/** Bytes that the registry says it has. `0-0` is what it says of none, too. */
function receivedBytes(response: RegistryResponse): number {
  const end = /^(?:bytes=)?0-(\d+)$/.exec(response.header('range') ?? '')?.[1];
  return end === undefined || end === '0' ? 0 : Number(end) + 1;
}

/** Begins an upload. @throws ImageError */
export async function begin(client: RegistryClient, what: string): Promise<Upload> {
  const response = await client.session.request({
    method: 'POST',
    target: `${client.repository}/blobs/uploads/`,
    headers: { 'content-length': '0' },
    scopes: client.scopes,
    expect: [202],
    what,
  });
  await response.dump();
  return getUpload(client, response, 0, what);
}

/** @returns the upload that the registry begins instead; undefined when it refuses altogether */
async function mount(
  client: RegistryClient,
  digest: Digest,
  from: string,
  what: string,
): Promise<Upload | 'mounted' | undefined> {
  const query = new URLSearchParams({ mount: digest, from });
  const response = await client.session.request({
    method: 'POST',
    target: `${client.repository}/blobs/uploads/?${query}`,
    headers: { 'content-length': '0' },
    scopes: [...client.scopes, `repository:${from}:pull`],
    expect: [201, 202, 400, 401, 403, 404, 405],
    what,
  });
  await response.dump();
  if (response.status === 201) return 'mounted';
  return response.status === 202 ? getUpload(client, response, 0, what) : undefined;
}

/**
 * Makes sure that the repository has a blob, without sending it.
 * @param from another repository of this registry that may have it
 * @returns whether it has it
 * @throws ImageError
 */
export async function claimBlob(
  client: RegistryClient,
  digest: Digest,
  from: string | undefined,
): Promise<boolean> {
  if (await hasBlob(client, digest)) return true;
  if (from === undefined || from === client.repository) return false;
  const what = `${client.verbs.write} ${client.title}@${digest}`;
  const begun = await mount(client, digest, from, what);
  if (begun === 'mounted' || begun === undefined) return begun === 'mounted';
  // Not every registry lets an upload be ended; it forgets it some time.
  const { location } = begun;
  const { request } = client.session;
  const expect = [204, 202, 200, 400, 404, 405];
  const response = await request({
    method: 'DELETE',
    target: location,
    scopes: client.scopes,
    expect,
    what,
  });
  await response.dump();
  return false;
}

function withDigest(location: URL, digest: Digest): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}

async function putWhole(
  client: RegistryClient,
  upload: Upload,
  { digest, size }: Descriptor,
  open: OpenBlob,
  what: string,
): Promise<void> {
  const response = await client.session.request({
    method: 'PUT',
    target: withDigest(upload.location, digest),
    headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
    scopes: client.scopes,
    // An empty blob is no body: some servers wait for one that never comes.
    ...(size === 0 ? {} : { body: open }),
    expect: [201, 202, 204],
    what,
    retry: false,
    silence: silenceAfter(client.session.retry, size),
  });
  await response.dump();
}

/** Ends an upload whose bytes are all there. @param size of all of them, where it is known @throws ImageError */
export async function finish(
  client: RegistryClient,
  upload: Upload,
  digest: Digest,
  what: string,
  size?: number,
): Promise<void> {
  const response = await client.session.request({
    method: 'PUT',
    target: withDigest(upload.location, digest),
    headers: { 'content-length': '0' },
    scopes: client.scopes,
    expect: [201, 202, 204],
    what,
    retry: false,
    silence: silenceAfter(client.session.retry, size),
  });
  await response.dump();
}

/** Where an upload stands, after something went wrong; a new one when the registry forgot it. */
async function continueUpload(
  client: RegistryClient,
  upload: Upload,
  what: string,
): Promise<Upload> {
  const response = await client.session.request({
    method: 'GET',
    target: upload.location,
    scopes: client.scopes,
    expect: [204, 202, 200, 400, 404, 405, 416],
    what,
  });
  await response.dump();
  if (response.status < 300 && response.header('location') !== undefined)
    return {
      ...getUpload(client, response, receivedBytes(response), what),
      minimumChunk: upload.minimumChunk,
    };
  return begin(client, what);
}

/** Failures after which the rest of a blob is tried again; 413 and 416 have to do with pieces. */
function mayContinue(error: unknown): boolean {
  if (!(error instanceof ImageError)) return false;
  if (error.status === undefined) return isTransientError(error);
  return isTransientStatus(error.status) || [404, 413, 416].includes(error.status);
}

async function sendPieces(
  client: RegistryClient,
  start: Upload,
  descriptor: Descriptor,
  open: OpenBlob,
  chunkBytes: number,
  what: string,
  report: (upload: Upload) => void,
): Promise<void> {
  const { digest, size } = descriptor;
  const cursor = openCursor(open);
  let upload = start;
  try {
    while (upload.offset < size) {
      const { offset, location, minimumChunk } = upload;
      const end = Math.min(size, offset + Math.max(chunkBytes, minimumChunk));
      const response = await client.session.request({
        method: 'PATCH',
        target: location,
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': String(end - offset),
          'content-range': `${offset}-${end - 1}`,
        },
        scopes: client.scopes,
        body: () => Readable.from(cursor.read(offset, end), { objectMode: false }),
        expect: [202, 201, 204],
        what,
        retry: false,
      });
      await response.dump();
      const next = getUpload(
        client,
        response,
        response.header('range') ? receivedBytes(response) : end,
        what,
      );
      if (next.offset <= offset)
        throw new ImageError(`${what}: the registry accepted no byte of a chunk`, {
          registry: client.session.registry,
        });
      upload = { ...next, minimumChunk };
      report(upload);
    }
  } finally {
    await cursor.close();
  }
  await finish(client, upload, digest, what, size);
}

/**
 * Pushes a blob unless the repository has it: mounts it from another repository if that works,
 * else uploads it. After a failure that may pass it goes on with what the registry lacks.
 * @throws ImageError
 */
export async function uploadBlob(
  client: RegistryClient,
  descriptor: Descriptor,
  open: OpenBlob,
  options: UploadOptions = {},
): Promise<Uploaded> {
  const { digest } = descriptor;
  const { retry } = client.session;
  const what = `${client.verbs.write} ${client.title}@${digest}`;
  if (await hasBlob(client, digest)) return 'present';
  const { mountFrom } = options;
  const begun = mountFrom === undefined ? undefined : await mount(client, digest, mountFrom, what);
  if (begun === 'mounted') return 'mounted';
  let upload = begun ?? (await begin(client, what));
  let { chunkBytes } = options;
  const started = performance.now();
  for (let made = 1; ; made++) {
    try {
      if (chunkBytes === undefined) await putWhole(client, upload, descriptor, open, what);
      else
        await sendPieces(client, upload, descriptor, open, chunkBytes, what, (reached) => {
          upload = reached;
        });
      return 'uploaded';
    } catch (error) {
      const isOver = performance.now() - started >= (retry.patience ?? Number.POSITIVE_INFINITY);
      if (made >= retry.attempts || isOver || !mayContinue(error)) throw error;
    }
    await retry.wait(retryDelay(made, undefined, retry));
    // The answer may have been lost, not the blob.
    if (await hasBlob(client, digest)) return 'uploaded';
    upload = await continueUpload(client, upload, what);
    chunkBytes ??= FALLBACK_CHUNK;
  }
}

/**
 * What a registry says of a manifest when it does not see a blob or a manifest that it has. Others
 * that are pushed at the same time can be the reason: docker-registry empties a file before it
 * writes it anew, and an empty one names no blob. Registries that are spread over machines can
 * need a moment, too.
 */
const NOT_SEEN = ['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN', 'MANIFEST_UNKNOWN'];

/**
 * Pushes a manifest or an index.
 * @param reference the tag, or the manifest's digest
 * @throws ImageError
 */
export async function putManifest(
  client: RegistryClient,
  bytes: Uint8Array,
  mediaType: string,
  reference: string,
): Promise<Descriptor> {
  const what = `${client.verbs.write} ${client.title}${reference.includes(':') ? '@' : ':'}${reference}`;
  const response = await client.session.request({
    method: 'PUT',
    target: `${client.repository}/manifests/${reference}`,
    headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
    scopes: client.scopes,
    body: () => bytes,
    expect: [201, 202, 204, 200],
    passing: NOT_SEEN,
    what,
    silence: silenceAfter(client.session.retry, bytes.length),
  });
  await response.dump();
  const digest = getDigest(bytes);
  const named = response.header('docker-content-digest');
  if (named?.startsWith('sha256:') && named !== digest)
    throw new ImageError(`${what}: the registry stored ${named} instead of ${digest}`, {
      registry: client.session.registry,
    });
  return { mediaType, digest, size: bytes.length };
}
