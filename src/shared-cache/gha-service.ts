/**
 * The cache service of GitHub Actions, version 2: Twirp calls with JSON bodies (twirp protocol v7, "JSON"),
 * answered with URLs that are signed for one blob. Members are those of GitHub's cache.proto.
 */
import { getMessage } from '../oci/image-error.js';
import { type Access, accessConfig } from '../oci/registry/auth-config.js';
import { send } from '../oci/registry/http.js';
import { readBody } from '../oci/registry/read-body.js';
import {
  errorCodes,
  isTransientStatus,
  mayReconnect,
  parseRetryAfter,
  type RetryPolicy,
  retryDelay,
} from '../oci/registry/retry.js';
import { serverWords } from '../oci/registry/server-words.js';
import { openTransport } from '../oci/registry/transport.js';
import { collect } from '../oci/resolve.js';
import type { GhaPlace } from './gha-spec.js';
import { PlaceError } from './place-trouble.js';

const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
/** Milliseconds, of an error's text. */
const ERROR_MS = 10_000;
const SERVICE = 'twirp/github.actions.results.api.v1.CacheService';

/** What a request is answered with. */
export type Answer = Awaited<ReturnType<typeof send>>;

/** A request of this cache, to the service or to a signed URL. */
export interface Request {
  /** For messages: signed URLs are secrets. */
  readonly what: string;
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Answers that are no failure. */
  readonly accept: readonly number[];
}

/** One cache service. All throw ImageError. */
export interface GhaService {
  /** @param read what of the answer is wanted; when it fails, all is sent again */
  readonly retry: RetryPolicy;
  readonly send: <T>(request: Request, read: (answer: Answer) => Promise<T>) => Promise<T>;
  /** The newest blob whose key is this, or begins with one of the others. */
  readonly find: (
    key: string,
    beginnings: readonly string[],
  ) => Promise<{ readonly key: string; readonly url: string } | undefined>;
  /** @returns where to send the blob; undefined when the key is taken */
  readonly reserve: (key: string) => Promise<string | undefined>;
  /** After this, and not before, the blob can be found. @param size bytes */
  readonly finish: (key: string, size: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

function hintFor(status: number): string {
  if (status === 401)
    return 'the token is that of another job, or too old: ACTIONS_RUNTIME_TOKEN lasts as long as its job';
  if (status === 403)
    return 'a pull request from a fork may only read caches: write with ignore-error=true';
  if (status === 404) return 'check url_v2: it is $ACTIONS_RESULTS_URL of the job';
  if (status === 429)
    return 'GitHub limits how often a repository uses its cache: write it in fewer jobs, or to a registry';
  return 'the cache service has trouble; try again later';
}

/** Twirp's errors are JSON with a code and a message; storage answers with XML. */
async function said(body: Answer['body'], url: URL): Promise<{ code: string; words: string }> {
  const text = await readBody({ body, url }, MAX_ERROR_BYTES, 'the error', ERROR_MS).then(
    String,
    () => '',
  );
  const words = (parts: readonly string[]) => serverWords(parts.join(': '));
  const part = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  try {
    const { code, msg } = JSON.parse(text) as { code?: unknown; msg?: unknown };
    const known = [code, msg].filter((item): item is string => typeof item === 'string');
    return { code: typeof code === 'string' ? code : '', words: words(known) };
  } catch {
    const [code = '', first = ''] = [part('Code'), part('Message')?.split('\n', 1)[0]];
    return { code, words: words([code, first].filter((item) => item !== '')) };
  }
}

/**
 * Opens the service; nothing is sent before the first call.
 * @param deadline of a call, and of all that is sent for it
 * @param retry of each call
 */
export function openGhaService(
  place: GhaPlace,
  deadline: () => AbortSignal,
  access: Access,
  retry: RetryPolicy,
): GhaService {
  const transport = openTransport(accessConfig(access), () => false, retry);

  const attempt = async ({ url: text, method, headers, body }: Request): Promise<Answer> => {
    const url = new URL(text);
    return send(transport.dispatcher(url), url, {
      method,
      signal: deadline(),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
    });
  };

  const sendAll: GhaService['send'] = async (request, read) => {
    const { what, accept } = request;
    const begun = performance.now();
    for (let made = 1; ; made += 1) {
      let pause: number | undefined;
      try {
        const answer = await attempt(request);
        const { statusCode: status } = answer;
        if (accept.includes(status)) return await read(answer);
        const { words } = await said(answer.body, new URL(request.url));
        if (made >= retry.attempts || !isTransientStatus(status))
          throw new PlaceError(`${what}: the server answered ${status}${words && `: ${words}`}`, {
            status,
            hint: hintFor(status),
          });
        const after = answer.headers['retry-after'];
        pause = parseRetryAfter(typeof after === 'string' ? after : undefined, Date.now());
      } catch (error) {
        if (error instanceof PlaceError) throw error;
        throwIfLate(place, what, error);
        if (!mayReconnect(error, made, performance.now() - begun, retry))
          throw new PlaceError(`${what}: ${getMessage(error) || errorCodes(error).join(', ')}`, {
            hint: 'check the network and url_v2',
            cause: error,
          });
      }
      await retry.wait(retryDelay(made, pause, retry));
    }
  };

  /** @param what for messages @returns undefined for an answer of 409 */
  const call = async (
    method: string,
    members: Readonly<Record<string, unknown>>,
    what: string,
  ): Promise<Readonly<Record<string, unknown>> | undefined> => {
    const request: Request = {
      what,
      url: `${place.url}/${SERVICE}/${method}`,
      method: 'POST',
      headers: {
        authorization: `Bearer ${place.token}`,
        'content-type': 'application/json',
        accept: 'application/json',
      },
      body: Buffer.from(JSON.stringify({ ...members, version: place.version })),
      accept: [200, 409],
    };
    const text = await sendAll(request, async ({ statusCode, body: answer }) => {
      const bytes = await collect(answer, MAX_ANSWER_BYTES, what);
      return statusCode === 409 ? undefined : bytes.toString();
    });
    if (text === undefined) return undefined;
    try {
      return JSON.parse(text) as Readonly<Record<string, unknown>>;
    } catch (cause) {
      throw new PlaceError(`${what}: the server answered something else than JSON`, {
        hint: hintFor(404),
        cause,
      });
    }
  };

  /** The service says with `ok` that it was understood, and did nothing. */
  const refused = (what: string, { message }: Readonly<Record<string, unknown>>) => {
    const words = typeof message === 'string' && message !== '' ? `: ${serverWords(message)}` : '';
    return new PlaceError(`${what}: refused${words}`, { hint: hintFor(403) });
  };

  return {
    retry,
    send: sendAll,
    find: async (key, beginnings) => {
      const members = { key, restore_keys: beginnings };
      const answer = await call('GetCacheEntryDownloadURL', members, `look up ${key}`);
      const { ok, signed_download_url: url, matched_key: found } = answer ?? {};
      if (ok !== true) return undefined;
      if (typeof url !== 'string' || !URL.canParse(url))
        throw new PlaceError(`look up ${key}: the server answered without a URL`, {
          hint: hintFor(404),
        });
      return { key: typeof found === 'string' ? found : key, url };
    },
    reserve: async (key) => {
      const what = `write ${key}`;
      const answer = await call('CreateCacheEntry', { key }, what);
      const { ok, signed_upload_url: url, message } = answer ?? { message: 'already exists' };
      if (ok === true && typeof url === 'string' && URL.canParse(url)) return url;
      if (typeof message === 'string' && /already.?exists/i.test(message)) return undefined;
      throw refused(what, answer ?? {});
    },
    finish: async (key, size) => {
      const what = `finish ${key}`;
      const members = { key, size_bytes: String(size) };
      const answer = await call('FinalizeCacheEntryUpload', members, what);
      if (answer?.ok !== true) throw refused(what, answer ?? {});
    },
    close: () => transport.close(),
  };
}

/** @throws ImageError when the deadline has passed */
export function throwIfLate(place: GhaPlace, what: string, error: unknown): void {
  const { name, cause } = error as { name?: unknown; cause?: { name?: unknown } };
  if (name !== 'TimeoutError' && cause?.name !== 'TimeoutError') return;
  throw new PlaceError(`${what}: not done within ${place.timeoutMs / 1000} s`, {
    hint: 'timeout= gives it more time',
    cause: error,
  });
}
