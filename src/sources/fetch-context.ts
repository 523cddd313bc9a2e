/**
 * Brings a build context to this machine that is not a directory of it: a repository, an archive
 * from the web, from standard input or of a file. The files are not trusted: nothing of
 * them is opened by a plain path (context/context.ts, openFetched).
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isArchive, unpackArchive } from '../fs/archive/unpack-archive.js';
import { detectCompression } from '../oci/compress/decompress.js';
import { ImageError } from '../oci/image-error.js';
import type { ExpansionLimits } from '../oci/tar/expansion-limit.js';
import { checkBytes } from '../oci/tar/expansion-limit.js';
import type { Remote, RemoteSource } from '../plan/remote.js';
import { commitOf } from '../plan/remote.js';
import { ContextError } from '../util/errors.js';
import { inUserNamespace } from '../util/user-namespace.js';
import type { AgentSource } from './agent-source.js';
import { checkOut, resolveContent } from './fetch-git.js';
import { downloadFile } from './fetch-http.js';
import { gitAgent } from './git-agent.js';

/** A source of the network with what it was when it was fetched: its digest, its commit. */
export interface FetchedSource {
  readonly source: RemoteSource;
  readonly content: string;
}

/** What came: a directory of files, or one file that is no archive. */
export type Fetched = (
  | { readonly kind: 'files'; readonly root: string }
  | { readonly kind: 'file'; readonly path: string; readonly name: string }
) & { readonly from?: FetchedSource };

/** Where files go, and how many are accepted. */
export interface FetchOptions {
  /** An empty directory that is removed by the caller; trusted path. */
  readonly scratch: string;
  readonly limits: ExpansionLimits;
  readonly environment: NodeJS.ProcessEnv;
  /** What --ssh gives each id. */
  readonly sshAgent?: ((id: string) => AgentSource | undefined) | undefined;
  /** Ends a running transfer. */
  readonly signal: AbortSignal;
}

/** Bytes that tell a compression. */
const HEAD_BYTES = 4;

function firstBytes(path: string): Buffer {
  const fd = openSync(path, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(fd);
  }
}

async function unpack(path: string, title: string, { scratch, limits }: FetchOptions) {
  const root = join(scratch, 'files');
  mkdirSync(root, { mode: 0o755 });
  // COPY gives the files of a context to root anyway, and an ordinary user can't give them away.
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const rootless = owner.uid !== 0 || inUserNamespace();
  try {
    const options = { rootless, owner, limits, base: undefined, devices: 'refuse' } as const;
    await unpackArchive(createReadStream(path), root, options);
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    if (isFull || !(error instanceof ImageError || syscall !== undefined)) throw error;
    const hint = error instanceof ImageError ? error.hint : undefined;
    throw new ContextError(`${title} can't be unpacked: ${message}`, undefined, {
      hint: hint ?? 'is the archive damaged?',
      cause: error,
    });
  }
  return { kind: 'files', root } as const;
}

/**
 * The files of an archive; anything else is a file.
 * @param path trusted path
 * @param title what it is, for messages
 * @param name of the file
 * @throws ContextError for a damaged archive, or one that is over the limits
 */
export async function fetchFile(
  path: string,
  title: string,
  name: string,
  options: FetchOptions,
): Promise<Fetched> {
  if (await isArchive(createReadStream(path))) return unpack(path, title, options);
  const compression = detectCompression(firstBytes(path));
  if (compression === 'none') return { kind: 'file', path, name };
  throw new ContextError(`${title} is compressed (${compression}), but no tar archive`, undefined, {
    hint: 'is it damaged? A build context is a directory, a tar archive or a repository',
  });
}

/** The same for what a stream brings. @throws ContextError as well when nothing comes */
export async function fetchStream(
  stream: Readable,
  title: string,
  options: FetchOptions,
): Promise<Fetched> {
  const path = join(options.scratch, 'stream');
  let bytes = 0;
  await pipeline(
    stream,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        checkBytes(bytes, options.limits);
        yield chunk;
      }
    },
    createWriteStream(path, { mode: 0o600 }),
    { signal: options.signal },
  );
  if (bytes > 0) return fetchFile(path, title, 'Dockerfile', options);
  throw new ContextError(`${title} is empty`, undefined, {
    hint: 'send a Dockerfile or a tar archive: wiac build - < FILE',
  });
}

/** The same for an address. @throws ContextError when it can't be had */
export async function fetchRemote(
  { source, credentials }: Remote,
  options: FetchOptions,
): Promise<Fetched> {
  const { scratch, limits, environment, sshAgent, signal } = options;
  const location = undefined;
  if (source.type === 'git') {
    const agent = gitAgent(sshAgent, () => scratch);
    const request = { source, credentials, environment, agent, signal, location };
    const root = join(scratch, 'files');
    mkdirSync(root, { mode: 0o755 });
    const content = await resolveContent(request);
    await checkOut(request, content, scratch, root);
    return { kind: 'files', root, from: { source, content: commitOf(content) } };
  }
  const path = join(scratch, 'download');
  const request = { source, credentials, limits, environment, signal, location };
  const { digest } = await downloadFile(request, path, undefined);
  const fetched = await fetchFile(path, source.url, source.name, options);
  return { ...fetched, from: { source, content: digest } };
}

/** A directory with what came. */
export function directoryFor(fetched: Fetched): string {
  if (fetched.kind === 'files') return fetched.root;
  const root = join(dirname(fetched.path), 'alone');
  mkdirSync(root, { mode: 0o755 });
  renameSync(fetched.path, join(root, fetched.name));
  return root;
}
