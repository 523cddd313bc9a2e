/**
 * A server of GitHub's cache service, version 2, and of the storage behind its signed URLs, from public
 * descriptions: GitHub's cache.proto with Twirp's JSON (github.com/twitchtv/twirp, "Errors"), GitHub's
 * documentation of caches (search order, scopes of branches, keys) and Azure's REST reference (Put Blob,
 * Put Block, Put Block List, Get Blob, error codes).
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';

/** A blob under a key. */
export interface GhaEntry {
  /** The job's branch. A test removes a blob with another one. */
  ref: string;
  readonly key: string;
  readonly version: string;
  data: Buffer | undefined;
  finished: boolean;
  readonly created: number;
}

/** A running server. */
export interface GhaServer {
  readonly url: string;
  /** A token for jobs of a branch; `main` is the default branch. */
  readonly token: (ref?: string, access?: 'write' | 'read') => string;
  readonly entries: GhaEntry[];
  /** `METHOD STATUS KEY` of all calls, `PUT STATUS KEY` and `GET STATUS KEY` of all transfers. */
  readonly log: string[];
  /** Asked before each request; a status is the answer, 0 half of a blob. */
  fail: ((method: string, key: string) => number | undefined) | undefined;
  /** So many next look-ups of lists do not see the newest one yet. */
  late: number;
  /** Signed URLs of this many next look-ups have expired already. */
  expired: number;
  readonly stop: () => Promise<void>;
}

/** Bytes of one Put Blob, as the oldest versions of Azure's API have it. */
const MAX_PUT = 64 * 1024 * 1024;

interface Call {
  readonly key?: unknown;
  readonly version?: unknown;
  readonly restore_keys?: unknown;
  readonly size_bytes?: unknown;
}

function twirp(response: ServerResponse, status: number, code: string, msg: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ code, msg }));
}

function azure(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml', 'x-ms-error-code': code });
  response.end(
    `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>no\nRequestId:1</Message></Error>`,
  );
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Starts a server without any cache. */
export async function startGha(): Promise<GhaServer> {
  const secret = randomBytes(16);
  const entries: GhaEntry[] = [];
  const blocks = new Map<GhaEntry, Map<string, Buffer>>();
  const log: string[] = [];
  let clock = 0;
  const token = (ref = 'main', access = 'write') =>
    `${Buffer.from(JSON.stringify({ ref, access })).toString('base64url')}.${randomBytes(4).toString('hex')}`;
  const sign = (text: string) => createHmac('sha256', secret).update(text).digest('base64');
  let base = '';

  const signedUrl = (entry: GhaEntry, may: 'r' | 'w', expires: number): string => {
    const at = entries.indexOf(entry);
    const query = new URLSearchParams({
      sp: may,
      se: String(expires),
      sig: sign(`${at} ${may} ${expires}`),
    });
    return `${base}/storage/${at}?${query}`;
  };

  const visible = (ref: string, version: unknown): GhaEntry[][] =>
    [ref, ...(ref === 'main' ? [] : ['main'])].map((of) =>
      entries
        .filter((entry) => entry.ref === of && entry.version === version && entry.finished)
        .sort((a, b) => b.created - a.created),
    );

  /** Exact, then by beginning, then the others by beginning; the branch before the default one. */
  const search = (ref: string, { key, version, restore_keys }: Call): GhaEntry | undefined => {
    const others = Array.isArray(restore_keys) ? restore_keys : [];
    for (const known of visible(ref, version)) {
      const exact = known.find((entry) => entry.key === key);
      if (exact) return exact;
      for (const start of [key, ...others]) {
        const found = known.find((entry) => entry.key.startsWith(String(start)));
        if (found) return found;
      }
    }
    return undefined;
  };

  const serveCall = (method: string, call: Call, request: IncomingMessage, to: ServerResponse) => {
    const { authorization = '' } = request.headers;
    let job: { ref: string; access: string };
    try {
      const [claims = ''] = authorization.replace(/^Bearer /, '').split('.');
      job = JSON.parse(Buffer.from(claims, 'base64url').toString());
    } catch {
      return twirp(to, 401, 'unauthenticated', 'invalid token');
    }
    const { key, version, size_bytes } = call;
    if (typeof key !== 'string' || key === '' || key.length > 512 || key.includes(','))
      return twirp(to, 400, 'invalid_argument', 'key is not valid');
    if (typeof version !== 'string' || version === '')
      return twirp(to, 400, 'invalid_argument', 'version is missing');
    const answer = (value: object) => {
      to.writeHead(200, { 'content-type': 'application/json' });
      to.end(JSON.stringify(value));
    };
    const own = entries.find(
      (entry) => entry.ref === job.ref && entry.key === key && entry.version === version,
    );
    if (method === 'GetCacheEntryDownloadURL') {
      const isStale = result.late > 0 && key.startsWith('wiac-list');
      if (isStale) result.late -= 1;
      const newest = entries.findLast((entry) => entry.finished && entry.key.startsWith(key));
      if (isStale && newest) newest.finished = false;
      const found = search(job.ref, call);
      if (isStale && newest) newest.finished = true;
      if (!found) return answer({ ok: false, signed_download_url: '', matched_key: '' });
      const isLate = result.expired > 0;
      if (isLate) result.expired -= 1;
      const url = signedUrl(found, 'r', Date.now() + (isLate ? -1 : 600_000));
      return answer({ ok: true, signed_download_url: url, matched_key: found.key });
    }
    if (job.access === 'read') return twirp(to, 403, 'permission_denied', 'read only');
    if (method === 'CreateCacheEntry') {
      if (own)
        return twirp(
          to,
          409,
          'already_exists',
          'cache entry with the same key, version, and scope already exists',
        );
      const entry = {
        ref: job.ref,
        key,
        version,
        data: undefined,
        finished: false,
        created: clock,
      };
      clock += 1;
      entries.push(entry);
      return answer({
        ok: true,
        signed_upload_url: signedUrl(entry, 'w', Date.now() + 600_000),
        message: '',
      });
    }
    if (!own) return twirp(to, 404, 'not_found', 'cache entry not found');
    // int64 is a string in JSON (protobuf's "JSON Mapping"); numbers are accepted.
    if (own.data === undefined || own.data.length !== Number(size_bytes))
      return twirp(to, 400, 'invalid_argument', 'size_bytes is not that of the blob');
    own.finished = true;
    return answer({ ok: true, entry_id: String(entries.indexOf(own)), message: '' });
  };

  const serveBlob = (
    url: URL,
    request: IncomingMessage,
    body: Buffer,
    to: ServerResponse,
    isHalf: boolean,
  ) => {
    const at = url.pathname.split('/')[2] ?? '';
    const entry = entries[Number(at)];
    const query = url.searchParams;
    const [may, expires] = [query.get('sp'), Number(query.get('se'))];
    if (!entry || sign(`${at} ${may} ${expires}`) !== query.get('sig') || expires < Date.now())
      return azure(to, 403, 'AuthenticationFailed');
    // The signature is all that counts; a token would go to somebody who must not have it.
    if (request.headers.authorization !== undefined)
      return azure(to, 400, 'InvalidAuthenticationInfo');
    if (request.method === 'GET') {
      if (may !== 'r') return azure(to, 403, 'AuthorizationPermissionMismatch');
      if (entry.data === undefined) return azure(to, 404, 'BlobNotFound');
      to.writeHead(200, { 'content-length': entry.data.length });
      if (isHalf) {
        to.write(entry.data.subarray(0, entry.data.length >> 1), () => to.destroy());
        return;
      }
      return to.end(entry.data);
    }
    if (request.method !== 'PUT' || may !== 'w') return azure(to, 405, 'UnsupportedHttpVerb');
    if (request.headers['content-length'] === undefined)
      return azure(to, 411, 'MissingContentLengthHeader');
    const staged = blocks.get(entry) ?? new Map<string, Buffer>();
    blocks.set(entry, staged);
    switch (query.get('comp')) {
      case 'block': {
        const id = query.get('blockid') ?? '';
        const [other] = staged.keys();
        if (id === '' || (other !== undefined && other.length !== id.length))
          return azure(to, 400, 'InvalidBlobOrBlock');
        staged.set(id, body);
        break;
      }
      case 'blocklist': {
        const ids = [...body.toString().matchAll(/<Latest>([^<]*)<\/Latest>/g)].map(
          ([, id = '']) => id,
        );
        const parts = ids.map((id) => staged.get(id));
        if (!parts.every((part) => part !== undefined)) return azure(to, 400, 'InvalidBlockList');
        entry.data = Buffer.concat(parts);
        break;
      }
      default:
        if (request.headers['x-ms-blob-type'] !== 'BlockBlob')
          return azure(to, 400, 'MissingRequiredHeader');
        if (body.length > MAX_PUT) return azure(to, 413, 'RequestBodyTooLarge');
        entry.data = body;
    }
    to.writeHead(201);
    return to.end();
  };

  const server = createServer(async (request, to) => {
    const body = await readBody(request);
    const url = new URL(request.url ?? '/', 'http://localhost');
    const [, method] =
      /^\/twirp\/github\.actions\.results\.api\.v1\.CacheService\/(\w+)$/.exec(url.pathname) ?? [];
    const isCall = method !== undefined && request.method === 'POST';
    const call = isCall ? (JSON.parse(body.toString()) as Call) : {};
    const key = isCall
      ? String(call.key)
      : (entries[Number(url.pathname.split('/')[2])]?.key ?? '');
    const name = isCall ? method : (request.method ?? '');
    to.on('finish', () => log.push(`${name} ${to.statusCode} ${key}`));
    const status = result.fail?.(name, key);
    if (status) {
      to.setHeader('retry-after', '0');
      return isCall
        ? twirp(to, status, 'unavailable', 'try again')
        : azure(to, status, 'ServerBusy');
    }
    if (isCall) return serveCall(method, call, request, to);
    if (url.pathname.startsWith('/storage/'))
      return serveBlob(url, request, body, to, status === 0);
    return twirp(to, 404, 'bad_route', 'no such route');
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  const result: GhaServer = {
    url: `${base}/`,
    token,
    entries,
    log,
    fail: undefined,
    late: 0,
    expired: 0,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resume) => server.close(resume));
    },
  };
  return result;
}
