/** Pulls from a registry: "Pull" of the OCI distribution-spec 1.1. */
import { Readable } from 'node:stream';
import { getDigest, isDigest, mismatch, verified, verifyBytes } from '../blob-digest.js';
import { ImageError } from '../image-error.js';
import { MANIFEST_MEDIA_TYPES } from '../media-types.js';
import { MAX_JSON_BYTES } from '../parse-manifest.js';
import type { RootManifest } from '../resolve.js';
import type { Descriptor, Digest } from '../resolved-image.js';
import type { RegistryResponse } from './exchange.js';
import { connectionError } from './http-errors.js';
import { paced } from './paced.js';
import { readBody } from './read-body.js';
import {
  openSession,
  type RegistrySession,
  type SessionOptions,
  type Verbs,
} from './registry-session.js';
import { isTransientError, mayReconnect, retryDelay } from './retry.js';

/** One repository of one registry. */
export interface RegistryClient {
  readonly session: RegistrySession;
  readonly repository: string;
  /** Scopes of every request. */
  readonly scopes: readonly string[];
  /** The repository, for messages. */
  readonly title: string;
  readonly verbs: Verbs;
}

/** Of an image, unless it is said what else is read and written. */
const IMAGE_VERBS: Verbs = { read: 'pull', write: 'push' };

/** A connection is resumed at most this often for one blob, however far it gets each time. */
const MAX_RESUMPTIONS = 50;

/**
 * A client for a repository.
 * @param actions as in a token's scope: `pull` or `pull,push`
 */
export function openClient(
  host: string,
  repository: string,
  actions: 'pull' | 'pull,push',
  options: SessionOptions,
): RegistryClient {
  return {
    session: openSession(host, repository, options),
    repository,
    scopes: [`repository:${repository}:${actions}`],
    title: `${host}/${repository}`,
    verbs: options.verbs ?? IMAGE_VERBS,
  };
}

function manifestTitle(client: RegistryClient, reference: string): string {
  return `${client.title}${isDigest(reference) ? '@' : ':'}${reference}`;
}

function requestManifest(
  client: RegistryClient,
  method: 'GET' | 'HEAD',
  reference: string,
): Promise<RegistryResponse> {
  return client.session.request({
    method,
    target: `${client.repository}/manifests/${reference}`,
    headers: { accept: MANIFEST_MEDIA_TYPES.join(', ') },
    scopes: client.scopes,
    expect: [200],
    what: `${client.verbs.read} ${manifestTitle(client, reference)}`,
  });
}

function contentType(response: RegistryResponse): string {
  return (response.header('content-type') ?? '').replace(/;.*$/, '').trim();
}

/**
 * What a tag means now, without its manifest. Some registries count no pull for it.
 * @param reference a tag or a digest
 * @returns undefined when the registry does not say
 * @throws ImageError
 */
export async function headManifest(
  client: RegistryClient,
  reference: string,
): Promise<Descriptor | undefined> {
  const response = await requestManifest(client, 'HEAD', reference);
  await response.dump();
  const digest = response.header('docker-content-digest') ?? '';
  const size = Number(response.header('content-length') ?? Number.NaN);
  if (!isDigest(digest) || !Number.isSafeInteger(size)) return undefined;
  return { mediaType: contentType(response), digest, size };
}

/** Asks again when the connection breaks after the answer began. */
async function readManifest(
  client: RegistryClient,
  reference: string,
  title: string,
): Promise<{ response: RegistryResponse; bytes: Uint8Array }> {
  const { retry, registry } = client.session;
  const begun = performance.now();
  for (let made = 1; ; made++) {
    const response = await requestManifest(client, 'GET', reference);
    try {
      const what = `manifest of ${title}`;
      const bytes = await readBody(response, MAX_JSON_BYTES, what, retry.longestAnswer);
      return { response, bytes };
    } catch (error) {
      if (error instanceof ImageError) throw error;
      if (!mayReconnect(error, made, performance.now() - begun, retry))
        throw connectionError(error, registry, `${client.verbs.read} ${title}`);
    }
    await retry.wait(retryDelay(made, undefined, retry));
  }
}

/**
 * Gets a manifest or an index and verifies it: against its digest when it is asked for by digest,
 * else against the digest that the registry names.
 * @param reference a tag or a digest
 * @throws ImageError
 */
export async function getManifest(
  client: RegistryClient,
  reference: string,
): Promise<RootManifest> {
  const title = manifestTitle(client, reference);
  const context = { registry: client.session.registry, reference: title };
  const { response, bytes } = await readManifest(client, reference, title);
  const named = response.header('docker-content-digest') ?? '';
  const expected = isDigest(reference) ? reference : isDigest(named) ? named : getDigest(bytes);
  verifyBytes(bytes, { digest: expected, size: bytes.length }, title, context);
  return {
    descriptor: { mediaType: contentType(response), digest: expected, size: bytes.length },
    bytes,
  };
}

/** Whether the repository has the blob. */
export async function hasBlob(client: RegistryClient, digest: Digest): Promise<boolean> {
  const response = await client.session.request({
    method: 'HEAD',
    target: `${client.repository}/blobs/${digest}`,
    scopes: client.scopes,
    expect: [200, 404],
    what: `look for ${digest} in ${client.title}`,
  });
  await response.dump();
  return response.status === 200;
}

function requestBlob(
  client: RegistryClient,
  digest: Digest,
  offset: number,
  signal: AbortSignal,
): Promise<RegistryResponse> {
  return client.session.request({
    method: 'GET',
    target: `${client.repository}/blobs/${digest}`,
    headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
    scopes: client.scopes,
    expect: offset === 0 ? [200] : [200, 206],
    what: `${client.verbs.read} ${client.title}@${digest}`,
    signal,
  });
}

/** Bytes at the start of an answer that are there already: a server may ignore Range. */
function surplus(response: RegistryResponse, offset: number, what: string): number {
  if (response.status === 200) return offset;
  const start = /^bytes (\d+)-/.exec(response.header('content-range') ?? '')?.[1];
  if (Number(start) === offset) return 0;
  throw new ImageError(`${what}: the registry answers with another range than asked for`, {
    status: response.status,
  });
}

/**
 * The bytes of an answer, until its connection ends or breaks.
 * @returns why it ended early, should something be missing
 * @throws ImageError for what another attempt would not mend
 */
async function* untilBroken(
  client: RegistryClient,
  response: RegistryResponse,
  what: string,
  signal: AbortSignal,
): AsyncGenerator<Buffer, unknown> {
  const { slowest } = client.session.retry;
  const chunks = paced(response.body as AsyncIterable<Buffer>, slowest, what);
  for (;;) {
    let step: IteratorResult<Buffer>;
    try {
      step = await chunks.next();
    } catch (error) {
      if (error instanceof ImageError) throw error;
      if (!signal.aborted && isTransientError(error)) return error;
      throw connectionError(error, client.session.registry, what);
    }
    if (step.done) return new Error('the connection ended early');
    yield step.value;
  }
}

/** The blob's bytes; goes on where it was after the connection broke. */
async function* blobBytes(
  client: RegistryClient,
  { digest, size }: Descriptor,
  first: RegistryResponse,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { retry, registry } = client.session;
  const what = `${client.verbs.read} ${client.title}@${digest}`;
  let response = first;
  let offset = 0;
  let failures = 0;
  let lost = 0;
  for (let resumptions = 0; ; resumptions++) {
    let skip = offset === 0 ? 0 : surplus(response, offset, what);
    const before = offset;
    const rest = untilBroken(client, response, what, signal);
    let asked = performance.now();
    let step = await rest.next();
    for (; !step.done; step = await rest.next()) {
      const fresh = step.value.subarray(skip);
      skip -= step.value.length - fresh.length;
      offset += fresh.length;
      if (fresh.length > 0) yield fresh;
      asked = performance.now();
    }
    lost += performance.now() - asked;
    if (offset >= size) return;
    failures = offset > before ? 1 : failures + 1;
    const isOver = lost >= (retry.patience ?? Number.POSITIVE_INFINITY);
    if (failures >= retry.attempts || isOver || resumptions >= MAX_RESUMPTIONS)
      throw connectionError(step.value, registry, `${what}: ${offset} of ${size} bytes`);
    await retry.wait(retryDelay(failures, undefined, retry));
    response = await requestBlob(client, digest, offset, signal);
  }
}

/**
 * Bytes of a blob as its registry has it. One that was cut off there would look like a connection that breaks, and
 * the registry like one that is away.
 */
function wholeSize(response: RegistryResponse): number | undefined {
  const length = response.header('content-length');
  if (response.header('content-encoding') !== undefined || !/^\d+$/.test(length ?? ''))
    return undefined;
  return Number(length);
}

/**
 * Opens a blob. A connection that breaks is resumed; size and digest are verified while it is
 * read, so the stream may fail at its very end.
 * @throws ImageError
 */
export async function openBlob(client: RegistryClient, descriptor: Descriptor): Promise<Readable> {
  const abort = new AbortController();
  const reference = `${client.title}@${descriptor.digest}`;
  const context = { registry: client.session.registry, reference };
  const first = await requestBlob(client, descriptor.digest, 0, abort.signal);
  const size = wholeSize(first);
  if (size !== undefined && size !== descriptor.size) {
    await first.dump();
    throw mismatch(descriptor, { size }, client.title, context);
  }
  const bytes = blobBytes(client, descriptor, first, abort.signal);
  const whole = Readable.from(bytes, { objectMode: false });
  const stream = verified(whole, descriptor, client.title, context);
  stream.once('close', () => abort.abort());
  return stream;
}
