/** Objects of an S3 bucket: GET, HEAD and PUT, signed by aws4fetch (AWS Signature Version 4). */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { AwsV4Signer } from 'aws4fetch';
import { digestParts } from '../oci/blob-digest.js';
import { ImageError } from '../oci/image-error.js';
import { type Access, accessConfig } from '../oci/registry/auth-config.js';
import { send } from '../oci/registry/http.js';
import { readBody } from '../oci/registry/read-body.js';
import {
  isTransientStatus,
  mayReconnect,
  parseRetryAfter,
  type RetryPolicy,
  retryDelay,
  silenceAfter,
} from '../oci/registry/retry.js';
import { serverWords } from '../oci/registry/server-words.js';
import { openTransport } from '../oci/registry/transport.js';
import type { Digest, OpenBlob } from '../oci/resolved-image.js';
import { PlaceError } from './place-trouble.js';
import { requirePassing, resumed } from './resumed.js';
import { HOST_PART, type S3Place } from './spec.js';

const MAX_ERROR_BYTES = 64 * 1024;
/** Milliseconds, of an error's text. */
const ERROR_MS = 10_000;
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
  /** An object that never changes. @returns undefined when there is none. @throws ImageError, the stream as well */
  get(key: string): Promise<Readable | undefined>;
  /** The same for what is short, and may change. @param limit bytes @param what for messages */
  read(key: string, limit: number, what: string): Promise<Buffer | undefined>;
  /** @param size bytes that it must have, where the server says how many it has */
  has(key: string, size?: number): Promise<boolean>;
  put(key: string, upload: S3Upload): Promise<void>;
  close(): Promise<void>;
}

interface Answer {
  readonly url: URL;
  /** Milliseconds until the server wants to be asked again. */
  readonly pause: number | undefined;
  readonly status: number;
  /** Of the bucket, where it is not the one that was asked. */
  readonly region: string | undefined;
  /** Bytes. */
  readonly length: number | undefined;
  readonly body: Readable & { dump(): Promise<void> };
}

function baseUrl({ endpoint, region, bucket, pathStyle, prefix }: S3Place): string {
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  if (!pathStyle) url.host = `${bucket}.${url.host}`;
  const path = [...(pathStyle ? [bucket] : []), ...prefix.split('/')].map(encodeURIComponent);
  return `${url.origin}${url.pathname.replace(/\/$/, '')}/${path.join('/')}`;
}

/** What a server says of a request that failed. */
interface Said {
  /** May be empty. */
  readonly code: string;
  /** For messages; may be empty. */
  readonly words: string;
}

/** S3's errors are XML with one code and one message. */
async function said(answer: Answer): Promise<Said> {
  const text = await readBody(answer, MAX_ERROR_BYTES, 'the error', ERROR_MS).then(
    String,
    () => '',
  );
  const part = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  const parts = [part('Code'), part('Message')].filter((item) => item !== undefined);
  return { code: part('Code') ?? '', words: serverWords(parts.join(': ')) };
}

function parseLength(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/** Of connections. */
const HINT = 'check the network and endpoint_url';

/** @param code S3's, may be empty @param region where the server says the bucket is */
function hintFor(status: number, code = '', region?: string): string {
  if (code === 'RequestTimeTooSkewed') return 'the clock of this machine is wrong: set it';
  if (region !== undefined) return `check region: the server says that the bucket is in ${region}`;
  if (status >= 300 && status < 400) return 'check region, endpoint_url and use_path_style';
  if ([400, 401, 403].includes(status))
    return 'check access_key_id, secret_access_key, session_token, region and the policy: without s3:ListBucket S3 says so of what is not there';
  if (status === 404) return 'check bucket, region and endpoint_url';
  return 'the server has trouble; try again later';
}

/** Opens a bucket; nothing is sent before the first request. @param retry of each request */
export function openS3(place: S3Place, retry: RetryPolicy, access: Access): S3Client {
  const { attempts, longestAnswer } = retry;
  const { accessKeyId, secretAccessKey, sessionToken, region, bucket } = place;
  const config = accessConfig(access);
  const transport = openTransport(config, () => false, retry);
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
    const {
      statusCode,
      headers: told,
      body,
    } = await send(transport.dispatcher(signed.url), signed.url, {
      method,
      headers: upload ? { ...headers, 'content-length': String(upload.size) } : headers,
      ...(upload && upload.size > 0 ? { body: await upload.open() } : {}),
      ...(upload ? { headersTimeout: silenceAfter(retry, upload.size) } : {}),
    });
    const after = told['retry-after'];
    const pause = parseRetryAfter(typeof after === 'string' ? after : undefined, Date.now());
    const named = told['x-amz-bucket-region'];
    const elsewhere = typeof named === 'string' && named !== region && HOST_PART.test(named);
    return {
      url: signed.url,
      pause,
      status: statusCode,
      region: elsewhere ? named : undefined,
      length: parseLength(told['content-length']),
      body,
    };
  };

  const request = async (
    method: 'GET' | 'HEAD' | 'PUT',
    key: string,
    upload?: S3Upload,
  ): Promise<Answer> => {
    const what = `${method} s3://${bucket}/${place.prefix}${key}`;
    const begun = performance.now();
    for (let made = 1; ; made++) {
      let pause: number | undefined;
      try {
        const answer = await attempt(method, key, upload);
        if (answer.status === 200 || (answer.status === 404 && !upload)) return answer;
        const { status } = answer;
        if (made >= attempts || !isTransientStatus(status)) {
          const { code, words } = await said(answer);
          const message = `${what}: the server answered ${status}${words && `: ${words}`}`;
          throw new PlaceError(message, { status, hint: hintFor(status, code, answer.region) });
        }
        pause = answer.pause;
        await answer.body.dump().catch(() => undefined);
      } catch (error) {
        if (error instanceof PlaceError) throw error;
        const mayPass = mayReconnect(error, made, performance.now() - begun, retry);
        requirePassing(error, mayPass, what, HINT);
      }
      await retry.wait(retryDelay(made, pause, retry));
    }
  };

  const open = async (key: string): Promise<Answer | undefined> => {
    const answer = await request('GET', key);
    const { status } = answer;
    if (status === 200) return answer;
    // A bucket that is not there would look like a cache that was never written.
    const { code, words } = await said(answer);
    if (code !== 'NoSuchBucket') return undefined;
    throw new PlaceError(`s3://${bucket}: ${words}`, { status, hint: hintFor(status) });
  };

  const nameOf = (key: string) => `GET s3://${bucket}/${place.prefix}${key}`;

  return {
    get: async (key) => {
      const answer = await open(key);
      const again = async () => {
        const next = await open(key);
        if (next) return next.body;
        throw new PlaceError(`${nameOf(key)}: it was removed meanwhile`, { status: 404 });
      };
      const bytes = answer && resumed(answer.body, again, { what: nameOf(key), retry, hint: HINT });
      return bytes && Readable.from(bytes, { objectMode: false });
    },
    read: async (key, limit, what) => {
      const begun = performance.now();
      for (let made = 1; ; made++) {
        const answer = await open(key);
        try {
          return answer && (await readBody(answer, limit, what, longestAnswer));
        } catch (error) {
          if (error instanceof ImageError) throw error;
          const mayPass = mayReconnect(error, made, performance.now() - begun, retry);
          requirePassing(error, mayPass, nameOf(key), HINT);
        }
        await retry.wait(retryDelay(made, undefined, retry));
      }
    },
    has: async (key, size) => {
      const { status, length, body } = await request('HEAD', key);
      await body.dump();
      return status === 200 && (size === undefined || length === undefined || length === size);
    },
    put: async (key, upload) => {
      const { body } = await request('PUT', key, upload);
      await body.dump();
    },
    close: () => transport.close(),
  };
}
