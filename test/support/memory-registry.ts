/** A registry in memory, written from the distribution-spec: with the referrers API or without, and open to lies. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** sha256:... of some bytes. */
export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

interface Kept {
  readonly type: string;
  readonly bytes: Buffer;
}

/** The registry, and what it has: changed by hand for what no client would put there. */
export interface MemoryRegistry {
  readonly host: string;
  readonly blobs: Map<string, Buffer>;
  /** By `NAME:TAG` and `NAME@DIGEST`. */
  readonly manifests: Map<string, Kept>;
  /** `METHOD PATH` of each request. */
  readonly asked: string[];
  /** Called before a manifest is put. */
  beforePut: (path: string) => Promise<void>;
  /** Its referrers API fails. */
  isBroken: boolean;
  /** Puts bytes as a blob; its descriptor. */
  readonly blob: (bytes: Uint8Array, mediaType: string) => Descriptor;
  /** Puts a manifest below a name; its descriptor. */
  readonly manifest: (repository: string, tag: string | undefined, value: object) => Descriptor;
  readonly stop: () => Promise<void>;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** @param pageSize of the referrers API; undefined: there is no such API */
export async function memoryRegistry(pageSize?: number): Promise<MemoryRegistry> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, Kept>();
  const asked: string[] = [];

  const putManifest = (repository: string, reference: string, type: string, bytes: Buffer) => {
    const digest = digestOf(bytes);
    manifests.set(`${repository}@${digest}`, { type, bytes });
    if (!reference.includes(':')) manifests.set(`${repository}:${reference}`, { type, bytes });
    return digest;
  };
  const referring = (repository: string, subject: string) =>
    [...manifests].flatMap(([name, { type, bytes }]) => {
      const value = JSON.parse(bytes.toString());
      if (!name.startsWith(`${repository}@`) || value.subject?.digest !== subject) return [];
      const artifactType = value.artifactType ?? value.config.mediaType;
      return [{ mediaType: type, digest: digestOf(bytes), size: bytes.length, artifactType }];
    });
  const answer = (response: ServerResponse, status: number, kept?: Partial<Kept>, more = {}) => {
    const { bytes = Buffer.alloc(0), type = 'application/octet-stream' } = kept ?? {};
    response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, ...more });
    response.end(bytes);
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '' } = request;
    asked.push(`${method} ${url}`);
    const { pathname, searchParams } = new URL(url, 'http://x');
    const [, repository = '', kind = '', reference = ''] =
      /^\/v2\/(.+)\/(manifests|blobs|referrers)\/(.*)$/.exec(pathname) ?? [];
    const isHead = method === 'HEAD';
    if (kind === 'manifests' && method === 'PUT') {
      await made.beforePut(reference);
      const type = request.headers['content-type'] ?? '';
      const digest = putManifest(repository, reference, type, await read(request));
      return answer(response, 201, {}, { 'docker-content-digest': digest });
    }
    if (kind === 'manifests') {
      const at = reference.includes(':') ? '@' : ':';
      const found = manifests.get(`${repository}${at}${reference}`);
      if (!found) return answer(response, 404);
      const headers = { 'docker-content-digest': digestOf(found.bytes) };
      if (!isHead) return answer(response, 200, found, headers);
      response.writeHead(200, {
        ...headers,
        'content-type': found.type,
        'content-length': found.bytes.length,
      });
      return response.end();
    }
    if (kind === 'referrers' && made.isBroken) return answer(response, 403);
    if (kind === 'referrers' && pageSize !== undefined) {
      const all = referring(repository, reference);
      const from = Number(searchParams.get('from') ?? 0);
      const type = 'application/vnd.oci.image.index.v1+json';
      const page = {
        schemaVersion: 2,
        mediaType: type,
        manifests: all.slice(from, from + pageSize),
      };
      const rest = from + pageSize < all.length;
      const next = `</v2/${repository}/referrers/${reference}?from=${from + pageSize}>; rel="next"`;
      const bytes = Buffer.from(JSON.stringify(page));
      return answer(response, 200, { type, bytes }, rest ? { link: next } : {});
    }
    if (kind === 'blobs' && method === 'POST')
      return answer(response, 202, {}, { location: `/v2/${repository}/blobs/uploads/1` });
    if (kind === 'blobs' && method === 'PUT') {
      const digest = searchParams.get('digest') ?? '';
      blobs.set(digest, await read(request));
      return answer(response, 201, {}, { 'docker-content-digest': digest });
    }
    const blob = kind === 'blobs' ? blobs.get(reference) : undefined;
    if (!blob) return answer(response, kind === '' ? 200 : 404);
    return isHead ? answer(response, 200) : answer(response, 200, { bytes: blob });
  };
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resume) => server.listen(0, '127.0.0.1', resume));
  const made: MemoryRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs,
    manifests,
    asked,
    beforePut: async () => {},
    isBroken: false,
    blob: (bytes, mediaType) => {
      const digest = digestOf(bytes);
      blobs.set(digest, Buffer.from(bytes));
      return { mediaType, digest, size: bytes.length };
    },
    manifest: (repository, tag, value) => {
      const { mediaType } = value as { mediaType: string };
      const bytes = Buffer.from(JSON.stringify(value));
      const digest = putManifest(repository, tag ?? digestOf(bytes), mediaType, bytes);
      return { mediaType, digest, size: bytes.length };
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resume) => server.close(resume));
    },
  };
  return made;
}
