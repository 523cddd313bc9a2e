/** Files of a git repository, for ADD and as a build context, with git(1). */
import { lstatSync, mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { entryPath } from '../fs/directory.js';
import { stampTree } from '../fs/layer/settle-times.js';
import { resolve } from '../fs/layer/stack.js';
import { removeTree } from '../fs/remove-tree.js';
import { parentPath } from '../fs/tree-path.js';
import { openWalker } from '../fs/walker.js';
import type { Credentials } from '../plan/git-url.js';
import type { GitSource } from '../plan/remote.js';
import { commitOf } from '../plan/remote.js';
import type { SourceLocation } from '../util/errors.js';
import { ContextError } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import type { Git, GitResult } from './git.js';
import { safeGit } from './git.js';
import type { GitAgent } from './git-agent.js';
import { withGitAgent } from './git-agent.js';
import { explainGitFailure } from './git-failure.js';

/** SHA-1, or SHA-256 of a repository of that format. */
const COMMIT = /^([0-9a-f]{40}|[0-9a-f]{64})$/;
const SHA256_DIGITS = 64;

/** A repository to fetch, and the instruction that needs it. */
export interface GitRequest {
  readonly source: GitSource;
  readonly credentials: Credentials | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Undefined: that of the environment, if any. */
  readonly agent: GitAgent | undefined;
  /** Ends git: a server may never answer. */
  readonly signal: AbortSignal;
  /** Undefined: the command line. */
  readonly location: SourceLocation | undefined;
}

/** Lends a git for the repository. */
function withGit<T>(request: GitRequest, use: (git: Git) => Promise<T>): Promise<T> {
  const { source, credentials, environment, agent, signal } = request;
  return withGitAgent(environment, agent, async (found) =>
    use(await safeGit(found, source.url, credentials, signal)),
  );
}

function refuse({ source, location }: GitRequest, { stderr, shortMessage }: GitResult): never {
  const { reason = shortMessage || 'git failed', hint } = explainGitFailure(stderr);
  throw new ContextError(
    `${source.url} can't be fetched: ${withoutCredentials(reason)}`,
    location,
    { hint },
  );
}

/** Runs git. @throws ContextError when it fails */
async function succeed(request: GitRequest, git: Git, cwd: string, ...args: string[]) {
  const result = await git(cwd, ...args);
  return result.exitCode === 0 ? result.stdout : refuse(request, result);
}

/** What a ref is: a commit, and the object of the tag that leads there. */
export interface ResolvedRef {
  readonly commit: string;
  readonly tag: string | undefined;
  /** In full: `refs/tags/v1`; undefined for a commit and for the default branch. */
  readonly name: string | undefined;
}

async function askRemote(request: GitRequest, ref: string): Promise<ResolvedRef> {
  const { source, location } = request;
  const patterns = [ref, `${ref}^{}`];
  const listed = await withGit(request, (git) =>
    succeed(request, git, '/', 'ls-remote', '--', source.url, ...patterns),
  );
  const refs = new Map(
    listed.split('\n').map((line): [string, string] => {
      const [commit = '', name = ''] = line.split('\t');
      return [name, commit];
    }),
  );
  for (const name of [`refs/tags/${ref}`, `refs/heads/${ref}`, `refs/${ref}`, ref]) {
    const object = refs.get(name);
    // An annotated tag is an object of its own; ^{} is the commit it stands for.
    const peeled = refs.get(`${name}^{}`);
    if (object !== undefined)
      return {
        commit: peeled ?? object,
        tag: peeled === undefined ? undefined : object,
        name: name.startsWith('refs/') ? name : undefined,
      };
  }
  throw new ContextError(`${source.url} has no branch or tag ${ref}`, location);
}

/**
 * What a source means now: the commit, and where .git stays what is to be in it besides, the ref and the object of an
 * annotated tag. `git describe` in a RUN finds them, so that a key has to have them.
 * @throws ContextError
 */
export async function resolveContent(request: GitRequest): Promise<string> {
  const { commit, tag, name } = await resolveRef(request);
  if (!request.source.keepGitDirectory || name === undefined) return commit;
  return [commit, name, ...(tag === undefined ? [] : [tag])].join(' ');
}

/** The commit that a source means now, and what leads there. @throws ContextError */
export async function resolveRef(request: GitRequest): Promise<ResolvedRef> {
  const { source, location } = request;
  const { ref = 'HEAD', checksum } = source;
  const { commit, tag, name } = COMMIT.test(ref)
    ? { commit: ref, tag: undefined, name: undefined }
    : await askRemote(request, ref);
  if (checksum !== undefined && !commit.startsWith(checksum) && !tag?.startsWith(checksum)) {
    throw new ContextError(`${source.url} is at commit ${commit}, not ${checksum}`, location);
  }
  return { commit, tag, name };
}

/**
 * Fetches one commit; a server that gives only whole histories gives that.
 * @param object the commit, or the tag that leads to it
 */
async function fetchCommit(request: GitRequest, git: Git, work: string, object: string) {
  const { url } = request.source;
  const format = object.length === SHA256_DIGITS ? ['--object-format=sha256'] : [];
  await succeed(request, git, work, 'init', '--quiet', '--template=', ...format);
  // The addresses of submodules may be relative to it; without it they would be paths of this machine.
  await succeed(request, git, work, 'remote', 'add', 'origin', url);
  const shallow = await git(work, 'fetch', '--quiet', '--depth=1', '--', url, object);
  if (shallow.exitCode === 0) return;
  const everything = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
  const full = await git(work, 'fetch', '--quiet', '--no-tags', '--', url, ...everything);
  if (full.exitCode !== 0) refuse(request, full);
  const found = await git(work, 'cat-file', '-e', `${object}^{commit}`);
  if (found.exitCode !== 0) refuse(request, shallow);
}

/**
 * The directory that was asked for, relative to the checkout. Links are followed within the
 * repository, never out of it.
 */
function findSubdirectory({ source, location }: GitRequest, work: string, commit: string): string {
  if (source.subdirectory === '') return '';
  const found = resolve([{ path: work, opaque: new Set() }], source.subdirectory)?.entry;
  if (found?.stats.isDirectory()) return found.path;
  const problem = found ? 'is no directory' : 'is not there';
  throw new ContextError(
    `${source.url}: ${source.subdirectory} ${problem} at ${commit}`,
    location,
    { hint: 'name a directory of the repository; links that lead out of it lead nowhere' },
  );
}

/** Moves a directory below `work` to the place of an empty one; the rest of `work` is removed. */
function moveDirectory(work: string, path: string, target: string): void {
  rmdirSync(target);
  if (path === '') {
    renameSync(work, target);
    return;
  }
  const walker = openWalker(work);
  try {
    renameSync(entryPath(walker.at(parentPath(path)), basename(path)), target);
  } finally {
    walker.close();
  }
  removeTree(work);
}

/** Fetches a commit and its submodules. @returns when it was made, seconds since 1970 */
async function fillWork(
  request: GitRequest,
  git: Git,
  content: string,
  work: string,
): Promise<number> {
  const { source } = request;
  const run = (...args: string[]) => succeed(request, git, work, ...args);
  const [commit = '', ref, tag = commit] = content.split(' ');
  await fetchCommit(request, git, work, tag);
  if (ref !== undefined) await run('update-ref', ref, tag);
  await run('checkout', '--quiet', '--detach', commit);
  const committed = Number(await run('log', '-1', '--format=%ct', commit));
  const modules = lstatSync(join(work, '.gitmodules'), { throwIfNoEntry: false });
  if (source.submodules && modules?.isFile()) {
    const update = ['submodule', 'update', '--quiet', '--init', '--recursive', '--checkout'];
    const shallow = await git(work, ...update, '--depth=1');
    // A server that gives only whole histories.
    if (shallow.exitCode !== 0) await run(...update);
  }
  return committed;
}

/**
 * Writes the files of a commit to an empty directory.
 * @param content as resolveContent says it
 * @throws ContextError
 */
export async function checkOut(
  request: GitRequest,
  content: string,
  scratch: string,
  target: string,
): Promise<void> {
  const work = join(scratch, 'git');
  mkdirSync(work, { mode: 0o755 });
  const committed = await withGit(request, (git) => fillWork(request, git, content, work));
  if (!request.source.keepGitDirectory) removeTree(join(work, '.git'));
  moveDirectory(work, findSubdirectory(request, work, commitOf(content)), target);
  // git keeps no times of files: that of the commit is the same for everybody.
  stampTree(target, committed);
}
