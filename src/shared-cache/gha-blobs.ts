/**
 * Blobs at the signed URLs of GitHub's cache service, which are those of Azure's storage: Put Blob in one
 * piece, or Put Block for each piece and Put Block List (Azure's REST reference, "Blob service").
 */
import { Readable } from 'node:stream';
import { ImageError } from '../oci/image-error.js';
import type { OpenBlob } from '../oci/resolved-image.js';
import type { GhaService } from './gha-service.js';
import { resumed } from './resumed.js';

/** Bytes that are sent at once, and sent again when that fails; they are in memory meanwhile. */
const BLOCK_BYTES = 8 * 1024 * 1024;
/** Of one blob. */
const PARALLEL = 4;
const MAX_BLOCKS = 50_000;
/** Of 2020; all sizes and headers here are older. */
const VERSION = { 'x-ms-version': '2020-10-02' };

/** A blob that is to be sent. */
export interface Upload {
  /** For messages. */
  readonly what: string;
  /** Bytes. */
  readonly size: number;
  readonly open: OpenBlob;
}

/** A stream in pieces of one size, the last one smaller. */
async function* pieces(stream: Readable): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let rest = chunk;
    while (length + rest.length >= BLOCK_BYTES) {
      const taken = BLOCK_BYTES - length;
      yield Buffer.concat([...waiting, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      [waiting, length] = [[], 0];
    }
    if (rest.length > 0) waiting.push(rest);
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(waiting);
}

/** Block ids have one length within a blob. */
function blockId(at: number): string {
  return Buffer.from(String(at).padStart(8, '0')).toString('base64');
}

function withQuery(url: string, query: string): string {
  // What is signed stays as it was written.
  return `${url}${url.includes('?') ? '&' : '?'}${query}`;
}

/** Sends a blob to a signed URL. @throws ImageError, also when the stream is not as long as it should be */
export async function putBlob(
  service: Pick<GhaService, 'send'>,
  url: string,
  { what, size, open }: Upload,
): Promise<void> {
  const put = async (
    target: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> => {
    const all = { ...VERSION, ...headers, 'content-length': String(body.length) };
    await service.send(
      { what, url: target, method: 'PUT', headers: all, body, accept: [200, 201] },
      (answer) => answer.body.dump(),
    );
  };
  if (size > MAX_BLOCKS * BLOCK_BYTES)
    throw new ImageError(`${what}: ${size} bytes are more than a blob may have`);
  const stream = await open();
  const ids: string[] = [];
  const running = new Set<Promise<void>>();
  let whole: Buffer | undefined;
  let sent = 0;
  let failed: { readonly error: unknown } | undefined;
  try {
    for await (const piece of pieces(stream)) {
      sent += piece.length;
      if (sent > size) break;
      if (size <= BLOCK_BYTES) {
        whole = piece;
        continue;
      }
      const id = blockId(ids.length);
      ids.push(id);
      const target = withQuery(url, `comp=block&blockid=${encodeURIComponent(id)}`);
      const sending: Promise<void> = put(target, piece)
        .catch((error: unknown) => {
          failed ??= { error };
        })
        .finally(() => running.delete(sending));
      running.add(sending);
      if (running.size >= PARALLEL) await Promise.race(running);
      if (failed) break;
    }
  } finally {
    stream.destroy();
    await Promise.all(running);
  }
  if (failed) throw failed.error;
  if (sent !== size)
    throw new ImageError(`${what}: the blob has not the ${size} bytes that it should have`);
  if (size <= BLOCK_BYTES)
    return put(url, whole ?? Buffer.alloc(0), { 'x-ms-blob-type': 'BlockBlob' });
  const list = ids.map((id) => `<Latest>${id}</Latest>`).join('');
  const xml = `<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`;
  await put(withQuery(url, 'comp=blocklist'), Buffer.from(xml), {
    'content-type': 'application/xml',
  });
}

/** URLs that were signed too long ago are refused with one of these, by whatever stands for Azure. */
const EXPIRED = [401, 403];

/**
 * Reads the newest blob with a key, or with one of the beginnings of keys.
 * @returns undefined when there is none, or none any more. @throws ImageError, the stream as well
 */
export async function getBlob(
  service: Pick<GhaService, 'send' | 'find' | 'retry'>,
  key: string,
  beginnings: readonly string[],
): Promise<{ readonly key: string; readonly body: Readable } | undefined> {
  const what = `read ${key}`;
  for (let isFirst = true; ; isFirst = false) {
    const found = await service.find(key, beginnings);
    if (!found) return undefined;
    const accept = [200, 404, ...(isFirst ? EXPIRED : [])];
    const request = { what, url: found.url, method: 'GET', headers: VERSION, accept } as const;
    const { status, body } = await service.send(request, async ({ statusCode, body: all }) => {
      if (statusCode !== 200) await all.dump();
      return { status: statusCode, body: all };
    });
    if (status === 200) {
      // What was written never changes.
      const again = () => service.send({ ...request, accept: [200] }, async (next) => next.body);
      const hint = 'check the network and url_v2';
      const bytes = resumed(body, again, { what, retry: service.retry, hint });
      return { key: found.key, body: Readable.from(bytes, { objectMode: false }) };
    }
    if (status === 404) return undefined;
  }
}
