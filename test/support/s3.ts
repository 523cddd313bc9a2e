/**
 * A server of one S3 bucket: GET, HEAD and PUT of objects, with path-style URLs. It checks what S3
 * checks: AWS Signature Version 4 (S3 API reference, "Authenticating Requests: Using the
 * Authorization Header") and that the body has the SHA-256 that was signed.
 */
import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';

/** A running server. */
export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** By key. */
  readonly objects: Map<string, Buffer>;
  /** `METHOD KEY STATUS` of all requests. */
  readonly log: string[];
  /** Asked before each request; a status is the answer, 0 half of an object. */
  fail: ((method: string, key: string) => number | undefined) | undefined;
  readonly stop: () => Promise<void>;
}

const BUCKET = 'caches';
const REGION = 'eu-central-1';
const ACCESS = 'AKIDTEST';
const SECRET = 'a secret that signs requests';

function hex(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** AWS encodes everything but unreserved characters and the slash. */
function encodePath(path: string): string {
  return encodeURIComponent(decodeURIComponent(path))
    .replace(/%2F/g, '/')
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** @returns S3's error code; undefined when the request is signed as it should be */
function signatureError(request: IncomingMessage, body: Buffer): string | undefined {
  const { authorization = '' } = request.headers;
  const [, credential = '', signedHeaders = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? [];
  if (signature === undefined) return 'AccessDenied';
  const [access, date = '', region, service, end] = credential.split('/');
  if (access !== ACCESS) return 'InvalidAccessKeyId';
  if (region !== REGION || service !== 's3' || end !== 'aws4_request')
    return 'AuthorizationHeaderMalformed';
  const names = signedHeaders.split(';');
  const header = (name: string) => String(request.headers[name] ?? '').trim();
  for (const needed of ['host', 'x-amz-date', 'x-amz-content-sha256'])
    if (!names.includes(needed)) return 'AccessDenied';
  const content = header('x-amz-content-sha256');
  const url = new URL(request.url ?? '/', 'http://localhost');
  const canonical = [
    request.method,
    encodePath(url.pathname),
    '',
    ...names.map((name) => `${name}:${header(name)}`),
    '',
    signedHeaders,
    content,
  ].join('\n');
  const scope = `${date}/${region}/${service}/${end}`;
  const text = ['AWS4-HMAC-SHA256', header('x-amz-date'), scope, hex(canonical)].join('\n');
  const key = hmac(hmac(hmac(hmac(`AWS4${SECRET}`, date), region), service), end);
  if (hmac(key, text).toString('hex') !== signature) return 'SignatureDoesNotMatch';
  return content === hex(body) ? undefined : 'XAmzContentSHA256Mismatch';
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}

/** Starts a server with an empty bucket. */
export async function startS3(): Promise<S3Server> {
  const objects = new Map<string, Buffer>();
  const log: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const [bucket, ...rest] = path.slice(1).split('/');
    const key = rest.join('/');
    response.on('finish', () => log.push(`${request.method} ${key} ${response.statusCode}`));
    const status = result.fail?.(request.method ?? '', key);
    if (status) {
      response.setHeader('retry-after', '0');
      return refuse(response, status, 'InternalError');
    }
    const wrong = signatureError(request, body);
    if (wrong !== undefined) return refuse(response, 403, wrong);
    if (bucket !== BUCKET) return refuse(response, 404, 'NoSuchBucket');
    if (request.method === 'PUT') {
      objects.set(key, body);
      return response.end();
    }
    const found = objects.get(key);
    if (!found) return refuse(response, 404, 'NoSuchKey');
    response.writeHead(200, { 'content-length': found.length });
    if (status === 0) {
      response.write(found.subarray(0, found.length >> 1), () => response.destroy());
      return;
    }
    response.end(request.method === 'HEAD' ? undefined : found);
  });
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const result: S3Server = {
    endpoint: `http://127.0.0.1:${port}`,
    bucket: BUCKET,
    region: REGION,
    accessKeyId: ACCESS,
    secretAccessKey: SECRET,
    objects,
    log,
    fail: undefined,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resume) => server.close(resume));
    },
  };
  return result;
}
