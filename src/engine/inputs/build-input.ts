/** What a build reads: its Dockerfile and its contexts, from wherever the command line says. */
import { mkdirSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer as readAll } from 'node:stream/consumers';
import type { Dockerfile } from '../../dockerfile/ast.js';
import { parseDockerfile } from '../../dockerfile/parse-dockerfile.js';
import type { FileSource } from '../../fs/scan/file-source.js';
import {
  contextIgnore,
  contextRoot,
  fetchedIgnore,
  namedIgnore,
  openContext,
  openFetched,
} from '../../fs/scan/local-context.js';
import type { IgnoreMatcher } from '../../fs/select/ignore.js';
import type { Remote, RemoteSource } from '../../plan/remote.js';
import { withFirstImage } from '../../plan/stages.js';
import type { ContextSource } from '../../sources/context-source.js';
import { contextSource } from '../../sources/context-source.js';
import type { Fetched, FetchedSource } from '../../sources/fetch-context.js';
import { fromBytes, shownText } from '../../util/byte-string.js';
import { ContextError, UsageError } from '../../util/errors.js';
import { readFifo } from '../../util/fifo.js';
import { withoutCredentials } from '../../util/redact.js';
import { statNamed } from '../../util/stat-named.js';
import type { Found } from './find-dockerfile.js';
import { readInside, readLocal, readWeb, usualPath } from './find-dockerfile.js';
import type { LockPlace } from './lock-place.js';
import { getLockPlace } from './lock-place.js';
import type { Workspace } from './workspace.js';

/** Takes the place of a source of the network: the same one, as a lock file has it. */
export type LockSource = (source: RemoteSource) => RemoteSource;

/** A parsed Dockerfile, and the contexts of its build. */
export interface BuildInput {
  readonly dockerfile: Dockerfile;
  readonly text: string;
  /** Name of the Dockerfile for statements about the build, without user and password. */
  readonly name: string;
  /** Undefined for a Dockerfile that is in no directory: from standard input, from the web. */
  readonly lockPlace: LockPlace | undefined;
  /** Where the build context was fetched from, if it was. */
  readonly contextFrom: FetchedSource | undefined;
  /** The same of the named contexts that were brought here. */
  readonly namedFrom: () => FetchedSource[];
  /** Does .dockerignore leave a path of the context out? */
  readonly ignores: (path: string) => boolean;
  /** Opens the build context. */
  readonly openContext: () => FileSource;
  /**
   * Brings another context here.
   * @param value as --build-context has it
   * @param signal ends what is on its way
   * @param lock asked where it comes from the network
   * @returns opens it
   */
  readonly bringNamed: (
    value: string,
    signal: AbortSignal,
    lock: LockSource,
  ) => Promise<() => FileSource>;
}

const INPUT = 'standard input';

/** What is at the path of a context. Where this user may not look, contextRoot says so. */
function statContext(path: string): ReturnType<typeof statNamed> {
  try {
    return statNamed(path);
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

function isDirectory(path: string): boolean {
  return statContext(path)?.isDirectory() ?? false;
}

/** The address of a named context; undefined when it is of this machine. @throws UsageError */
export function remoteContext(value: string): Remote | undefined {
  const source = contextSource(value, isDirectory);
  return source.kind === 'remote' ? source.remote : undefined;
}

/** Does reading the Dockerfile and the build context take a Workspace? @throws UsageError */
export function isElsewhere(contextPath: string, file: string | undefined): boolean {
  const source = contextSource(contextPath, isDirectory);
  const isWeb = file !== undefined && /^https?:\/\//i.test(file);
  const stats = source.kind === 'path' && statContext(source.path);
  return source.kind !== 'path' || isWeb || (stats && !stats.isDirectory()) === true;
}

/** Gives standard input away, once. */
function standardInput(input: (() => Readable) | undefined): (what: string) => Readable {
  let taken: string | undefined;
  return (what) => {
    if (taken !== undefined)
      throw new UsageError(`standard input can't be both ${taken} and ${what}`, {
        hint: 'put one of them into a file',
      });
    taken = what;
    if (!input) throw new UsageError(`there is no standard input for ${what}`);
    return input();
  };
}

/** What a context that is no directory of this machine brings; undefined for a directory. */
function contextFetcher(workspace: Workspace, takeInput: (what: string) => Readable) {
  let count = 0;
  return async (
    source: ContextSource,
    what: string,
    signal: AbortSignal,
  ): Promise<Fetched | undefined> => {
    const { path } = source.kind === 'path' ? source : { path: '' };
    const stats = source.kind === 'path' ? statContext(path) : undefined;
    // Neither a file nor a pipe (`<(tar c .)`): a directory, or nothing, which is told elsewhere.
    if (source.kind === 'path' && !stats?.isFile() && !stats?.isFIFO()) return undefined;
    const input = source.kind === 'input' ? takeInput(what) : undefined;
    // Most contexts are directories, which need nothing of what unpacks and downloads.
    const { fetchFile, fetchRemote, fetchStream } = await import('../../sources/fetch-context.js');
    count += 1;
    const scratch = join(workspace.scratch(), `context-${count}`);
    mkdirSync(scratch, { mode: 0o700 });
    const { limits, environment, sshAgent } = workspace;
    const options = { scratch, limits, signal, environment, sshAgent };
    const counted = (stream: Readable, name: string) =>
      workspace.meter('context', name, undefined, () => stream)();
    if (input) return fetchStream(await counted(input, INPUT), INPUT, options);
    if (source.kind === 'remote') return fetchRemote(source.remote, options);
    if (stats?.isFIFO())
      return fetchStream(await counted(await readFifo(path), path), path, options);
    const fetched = await fetchFile(path, path, basename(path), options);
    if (fetched.kind === 'files') return fetched;
    throw new ContextError(`the build context ${path} is a file, but no archive`, undefined, {
      hint: 'give the directory that holds the files to be copied, and the Dockerfile with -f FILE',
    });
  };
}

/** What is read besides the build context. */
export interface InputOptions {
  /** The Dockerfile: a path, a URL, or `-`. */
  readonly file?: string | undefined;
  /** Its text, in the place of a file. */
  readonly dockerfileText?: string | undefined;
  /** A file with the patterns of .dockerignore, on this machine. */
  readonly ignoreFile?: string | undefined;
  /** The image of the first FROM. */
  readonly firstImage?: string | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
}

/** A build argument that BuildKit takes for itself (docs.docker.com, "BuildKit built-in build args"). */
const KEEP_GIT = 'BUILDKIT_CONTEXT_KEEP_GIT_DIR';

/**
 * Reads and parses the Dockerfile, and brings the build context here if it is elsewhere.
 * @throws UsageError, ContextError, DockerfileError
 */
export async function openInput(
  contextPath: string,
  { file, dockerfileText, buildArgs, ignoreFile, firstImage }: InputOptions,
  workspace: Workspace,
): Promise<BuildInput> {
  const keepGit = /^(1|t|true)$/i.test(buildArgs?.[KEEP_GIT] ?? '') || undefined;
  const takeInput = standardInput(workspace.input);
  const fetch = contextFetcher(workspace, takeInput);
  const source = contextSource(contextPath, isDirectory, keepGit);
  const input = file === '-' ? takeInput('the Dockerfile') : undefined;
  const fetched = await fetch(source, 'the build context', workspace.signal);
  // A build for several platforms asks for each several times.
  const brought = new Map<string, Promise<() => FileSource>>();
  const namedFrom: FetchedSource[] = [];
  const context = source.kind === 'input' ? INPUT : withoutCredentials(contextPath);

  const find = async (): Promise<Found> => {
    if (dockerfileText !== undefined)
      return { place: { kind: 'input' }, text: dockerfileText, title: 'Dockerfile (inline)' };
    if (fetched?.kind === 'file') {
      if (file !== undefined)
        throw new UsageError(`there are two Dockerfiles: ${context} is one, and --file`, {
          hint: 'leave one of them out, or send an archive that holds the build context',
        });
      const title = source.kind === 'input' ? `Dockerfile (${INPUT})` : context;
      const found = await readLocal(fetched.path, false, workspace.signal);
      return { ...found, place: { kind: 'input' }, title };
    }
    if (input) {
      return {
        place: { kind: 'input' },
        text: fromBytes(await readAll(input)),
        title: `Dockerfile (${INPUT})`,
      };
    }
    if (file !== undefined && /^https?:\/\//i.test(file)) return readWeb(file, workspace);
    // Without -f a context that is not there is the mistake, not the lack of a Dockerfile in it.
    if (fetched === undefined && file === undefined) contextRoot(contextPath);
    if (fetched === undefined || (file !== undefined && isAbsolute(file)))
      return readLocal(file ?? usualPath(contextPath), file !== undefined, workspace.signal);
    return readInside(fetched.root, file, context);
  };

  const { place, text, title } = await find();
  const path = place.kind === 'local' ? place.path : undefined;
  const root = fetched?.kind === 'files' ? fetched.root : fetched && emptyDirectory(workspace);
  let matcher: IgnoreMatcher | undefined;
  const ignore = () => {
    if (ignoreFile !== undefined) matcher ??= namedIgnore(ignoreFile);
    matcher ??= root === undefined ? contextIgnore(contextPath, path) : fetchedIgnore(root, place);
    return matcher;
  };
  // A mistake in it is told before anything is built.
  const named = ignoreFile === undefined ? undefined : ignore();
  const dockerfile = parseDockerfile(text, title);
  return {
    dockerfile: firstImage === undefined ? dockerfile : withFirstImage(dockerfile, firstImage),
    text: shownText(text),
    name: withoutCredentials(file ?? 'Dockerfile'),
    ignores: (name) => ignore().ignores(name),
    openContext: () =>
      root === undefined ? openContext(contextPath, path, named) : openFetched(root, place, named),
    lockPlace: getLockPlace(place, title, root),
    contextFrom: fetched?.from,
    namedFrom: () => namedFrom,
    bringNamed: (value, signal, lock) => {
      const known =
        brought.get(value) ??
        bringNamed(value, fetch, signal, lock, (from) => namedFrom.push(from));
      brought.set(value, known);
      return known;
    },
  };
}

/** A context that is not the main one; a file that is no archive is alone in it. */
async function bringNamed(
  value: string,
  fetch: ReturnType<typeof contextFetcher>,
  signal: AbortSignal,
  lock: LockSource,
  onFetched: (from: FetchedSource) => void,
): Promise<() => FileSource> {
  const source = contextSource(value, isDirectory);
  const { kind } = source;
  const wanted =
    kind === 'remote'
      ? { kind, remote: { ...source.remote, source: lock(source.remote.source) } }
      : source;
  const fetched = await fetch(wanted, 'a build context', signal);
  if (fetched?.from && source.kind === 'remote')
    onFetched({ ...fetched.from, source: source.remote.source });
  if (fetched === undefined) return () => openContext(value, undefined);
  const { directoryFor } = await import('../../sources/fetch-context.js');
  const root = directoryFor(fetched);
  return () => openFetched(root, { kind: 'input' });
}

function emptyDirectory({ scratch }: Workspace): string {
  const path = join(scratch(), 'empty');
  mkdirSync(path, { mode: 0o755 });
  return path;
}
