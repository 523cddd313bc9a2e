/**
 * A file of a URL, for ADD and as a build context: the content decides the key, and an unchanged
 * file is not sent again (RFC 9110, ETag).
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { ExpansionLimits } from '../oci/tar/expansion-limit.js';
import type { Credentials } from '../plan/git-url.js';
import type { HttpSource } from '../plan/remote.js';
import type { DownloadRecord } from '../store/records.js';
import type { SourceLocation } from '../util/errors.js';
import { ContextError } from '../util/errors.js';

/** A file that was downloaded, or found unchanged. */
export interface Download extends DownloadRecord {
  /** False: the server said that it is the one of the record, and nothing was written. */
  readonly written: boolean;
}

/** A file to fetch, and the instruction that needs it. */
export interface HttpRequest {
  readonly source: HttpSource;
  readonly credentials: Credentials | undefined;
  readonly limits: Pick<ExpansionLimits, 'maxBytes'>;
  /** Proxies, and further certificates. */
  readonly environment: NodeJS.ProcessEnv;
  /** Told how much has come. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Ends the download: a server may never answer. */
  readonly signal: AbortSignal;
  /** Undefined: the command line. */
  readonly location: SourceLocation | undefined;
}

function refuse({ source, location }: HttpRequest, reason: string, cause?: unknown): never {
  throw new ContextError(`${source.url} can't be fetched: ${reason}`, location, {
    hint: 'check the URL, and HTTPS_PROXY and NO_PROXY if there is a proxy',
    cause,
  });
}

async function send(wanted: HttpRequest, known: DownloadRecord | undefined) {
  const { source, credentials, environment, signal } = wanted;
  const [{ default: undici }, { openConnections }, { proxyFor }, { trustedAuthorities }] =
    await Promise.all([
      import('undici'),
      import('../oci/registry/connections.js'),
      import('../oci/registry/transport.js'),
      import('../oci/registry/extra-certificates.js'),
    ]);
  // Where a redirect leads there may be another one, or none.
  const proxy = (server: URL) => proxyFor(server, environment);
  const ca = trustedAuthorities(undefined, environment);
  const tls = ca === undefined ? {} : { ca };
  const dispatcher = openConnections({ proxy, connect: tls, proxyTls: tls });
  const headers: Record<string, string> = {};
  // If-Modified-Since would not do: a file that an older one has replaced counts as unchanged (RFC 9110, 13.1.3).
  if (known?.etag !== undefined) headers['if-none-match'] = known.etag;
  // Left out by fetch where another server is redirected to (Fetch standard, HTTP-redirect fetch).
  if (credentials !== undefined) {
    const pair = Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
    headers.authorization = `Basic ${pair}`;
  }
  try {
    return await undici.fetch(source.url, { headers, dispatcher, signal });
  } catch (error) {
    signal.throwIfAborted();
    return refuse(wanted, getReason(error), error);
  }
}

/** fetch says only that it failed; what failed is the cause, which has no words for a 407 (Fetch standard, 4.6). */
function getReason(error: unknown): string {
  const { cause, message } = error as Error & { readonly cause?: Error };
  if (cause?.message === '') return 'a proxy wants a user and password (407)';
  return cause?.message ?? message;
}

/** What the server sends. @throws ContextError when it ends before all is there */
async function* readBody(wanted: HttpRequest, body: AsyncIterable<Uint8Array>) {
  try {
    yield* body;
  } catch (error) {
    wanted.signal.throwIfAborted();
    refuse(
      wanted,
      `the connection failed before the whole file was here: ${getReason(error)}`,
      error,
    );
  }
}

/** A server says when a file was changed in whole seconds; its clock is its own. ms */
const SECONDS_MS = 2000;

/**
 * The entity tag, if another content would have another one. Some servers make it of size and time (nginx): of a file
 * that has only just been changed the next change may be in the same second.
 */
function trustedTag(headers: Headers): string | undefined {
  const time = (name: string) => Date.parse(headers.get(name) ?? '');
  const age = time('date') - time('last-modified');
  return age < SECONDS_MS ? undefined : (headers.get('etag') ?? undefined);
}

/**
 * Downloads a file.
 * @param target where to write it
 * @param known what an earlier download left; undefined forces the server to send the file
 * @throws ContextError when the server refuses, or the checksum is another; the signal's reason
 */
export async function downloadFile(
  wanted: HttpRequest,
  target: string,
  known: DownloadRecord | undefined,
): Promise<Download> {
  const { source, limits, location } = wanted;
  const response = await send(wanted, known);
  if (known && response.status === 304) return { ...known, written: false };
  // A part (206) is none that was asked for, and not the file.
  const isWhole = response.ok && response.status !== 206;
  if (!isWhole || !response.body) refuse(wanted, `the server answered ${response.status}`);
  const hash = createHash('sha256');
  const file = createWriteStream(target, { mode: 0o600 });
  let bytes = 0;
  await pipeline(
    readBody(wanted, response.body),
    async function* (chunks: AsyncIterable<Uint8Array>) {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        wanted.onBytes?.(chunk.length);
        if (bytes > limits.maxBytes)
          refuse(wanted, `it is larger than ${limits.maxBytes} bytes (limits.layerBytes)`);
        hash.update(chunk);
        yield chunk;
      }
    },
    file,
  );
  const digest = `sha256:${hash.digest('hex')}`;
  if (source.checksum !== undefined && source.checksum !== digest) {
    throw new ContextError(
      `${source.url} has the digest ${digest}, not ${source.checksum}`,
      location,
      {
        hint: 'the file changed on its server or on the way: check it before you change --checksum',
      },
    );
  }
  const lastModified = response.headers.get('last-modified') ?? undefined;
  return { digest, etag: trustedTag(response.headers), lastModified, written: true };
}
