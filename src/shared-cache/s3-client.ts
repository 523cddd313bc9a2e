/** Objects of an S3 bucket: GET, HEAD and PUT, signed by aws4fetch (AWS Signature Version 4). */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { AwsV4Signer } from 'aws4fetch';
import { digestParts } from '../oci/blob-digest.js';
import { getMessage, ImageError } from '../oci/image-error.js';
import { readRegistryConfig } from '../oci/registry/auth-config.js';
import { send } from '../oci/registry/http.js';
import {
  DEFAULT_RETRY,
  errorCodes,
  isTransientError,
  isTransientStatus,
  retryDelay,
} from '../oci/registry/retry.js';
import { openTransport } from '../oci/registry/transport.js';
import { collect } from '../oci/resolve.js';
import type { Digest, OpenBlob } from '../oci/resolved-image.js';
import type { S3Place } from './spec.js';

/** A cache is there to save time: it is not waited for long. */
const ATTEMPTS = 3;
const MAX_ERROR_BYTES = 64 * 1024;
/** Milliseconds: a server may read a whole object before it answers. */
const PUT_MS = 10 * 60_000;
const EMPTY = createHash('sha256').digest('hex');

/** An object to be stored; its SHA-256 is signed, so that the server checks what arrives. */
export interface S3Upload {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly open: OpenBlob;
}

/** One bucket. Keys are without the place's prefix. */
export interface S3Client {
  /** @returns undefined when there is no such object. @throws ImageError, the stream as well */
  get(key: string): Promise<Readable | undefined>;
  has(key: string): Promise<boolean>;
  put(key: string, upload: S3Upload): Promise<void>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: Readable & { dump(): Promise<void> };
}

function baseUrl({ endpoint, region, bucket, pathStyle, prefix }: S3Place): string {
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  if (!pathStyle) url.host = `${bucket}.${url.host}`;
  const path = [...(pathStyle ? [bucket] : []), ...prefix.split('/')].map(encodeURIComponent);
  return `${url.origin}${url.pathname.replace(/\/$/, '')}/${path.join('/')}`;
}

/** S3's errors are XML with one code and one message. */
async function said(body: Readable): Promise<string> {
  const text = await collect(body, MAX_ERROR_BYTES, 'the error').then(String, () => '');
  const part = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  return [part('Code'), part('Message')].filter((item) => item !== undefined).join(': ');
}

function hintFor(status: number): string {
  if (status === 403) return 'check access_key_id, secret_access_key, region and the policy';
  if (status === 404) return 'check bucket, region and endpoint_url';
  return 'the server has trouble; try again later';
}

/** A connection that breaks while an object is read is the place's failure, not a bug. */
async function* guarded(body: Readable, what: string): AsyncGenerator<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new ImageError(`${what}: ${getMessage(cause)}`, { cause });
  }
}

/** Opens a bucket; nothing is sent before the first request. */
export function openS3(place: S3Place): S3Client {
  const { accessKeyId, secretAccessKey, sessionToken, region, bucket } = place;
  const config = readRegistryConfig(process.env);
  const transport = openTransport(config, () => false);
  const base = baseUrl(place);
  const cache = new Map<string, ArrayBuffer>();
  const credentials = { accessKeyId, secretAccessKey, region, service: 's3', cache };

  const attempt = async (
    method: 'GET' | 'HEAD' | 'PUT',
    key: string,
    upload: S3Upload | undefined,
  ): Promise<Answer> => {
    const signed = await new AwsV4Signer({
      method,
      url: `${base}${key.split('/').map(encodeURIComponent).join('/')}`,
      headers: { 'x-amz-content-sha256': upload ? digestParts(upload.digest).hex : EMPTY },
      ...credentials,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    }).sign();
    const headers = Object.fromEntries(signed.headers);
    const { statusCode, body } = await send(transport.dispatcher(signed.url), signed.url, {
      method,
      headers: upload ? { ...headers, 'content-length': String(upload.size) } : headers,
      ...(upload && upload.size > 0 ? { body: await upload.open() } : {}),
      ...(upload ? { headersTimeout: PUT_MS } : {}),
    });
    return { status: statusCode, body };
  };

  const request = async (
    method: 'GET' | 'HEAD' | 'PUT',
    key: string,
    upload?: S3Upload,
  ): Promise<Answer> => {
    const what = `${method} s3://${bucket}/${place.prefix}${key}`;
    for (let made = 1; ; made++) {
      try {
        const answer = await attempt(method, key, upload);
        if (answer.status === 200 || (answer.status === 404 && !upload)) return answer;
        const { status } = answer;
        if (made >= ATTEMPTS || !isTransientStatus(status)) {
          const words = await said(answer.body);
          const message = `${what}: the server answered ${status}${words && `: ${words}`}`;
          throw new ImageError(message, { status, hint: hintFor(status) });
        }
        await answer.body.dump().catch(() => undefined);
      } catch (error) {
        if (error instanceof ImageError) throw error;
        if (made >= ATTEMPTS || !isTransientError(error))
          throw new ImageError(`${what}: ${getMessage(error) || errorCodes(error).join(', ')}`, {
            hint: 'check the network and endpoint_url',
            cause: error,
          });
      }
      await DEFAULT_RETRY.wait(retryDelay(made, undefined, DEFAULT_RETRY));
    }
  };

  return {
    get: async (key) => {
      const { status, body } = await request('GET', key);
      if (status === 200)
        return Readable.from(guarded(body, `GET s3://${bucket}/${place.prefix}${key}`), {
          objectMode: false,
        });
      // A bucket that is not there would look like a cache that was never written.
      const words = await said(body);
      if (!words.startsWith('NoSuchBucket')) return undefined;
      throw new ImageError(`s3://${bucket}: ${words}`, { status, hint: hintFor(status) });
    },
    has: async (key) => {
      const { status, body } = await request('HEAD', key);
      await body.dump();
      return status === 200;
    },
    put: async (key, upload) => {
      const { body } = await request('PUT', key, upload);
      await body.dump();
    },
    close: () => transport.close(),
  };
}
