/** ADD of a git repository, with git(1): the commit decides the key. */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceLocation } from '../errors.js';
import { ContextError } from '../errors.js';
import { stampTree } from '../layers/times.js';
import type { GitSource } from '../plan/remote.js';

const COMMIT = /^[0-9a-f]{40}$/;

async function git(
  source: GitSource,
  args: readonly string[],
  cwd: string,
  location: SourceLocation,
): Promise<string> {
  const { execa } = await import('execa');
  const result = await execa('git', args, {
    cwd,
    reject: false,
    // Nobody is there to type a password.
    env: { GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' },
  });
  if (result.exitCode === 0) return result.stdout;
  const reason = result.stderr.trim().split('\n').at(-1) || result.shortMessage || 'git failed';
  throw new ContextError(`${source.url} can't be fetched: ${reason}`, location, {
    hint: 'check the URL, the ref, and your access to the repository',
  });
}

/** The commit that a source means now. @throws ContextError */
export async function resolveCommit(source: GitSource, location: SourceLocation): Promise<string> {
  const ref = source.ref ?? 'HEAD';
  const commit = COMMIT.test(ref) ? ref : await askRemote(source, ref, location);
  const { checksum } = source;
  if (checksum !== undefined && !commit.startsWith(checksum)) {
    throw new ContextError(`${source.url} is at commit ${commit}, not ${checksum}`, location);
  }
  return commit;
}

async function askRemote(
  source: GitSource,
  ref: string,
  location: SourceLocation,
): Promise<string> {
  const listed = await git(source, ['ls-remote', source.url, ref, `${ref}^{}`], '/', location);
  const refs = new Map(
    listed.split('\n').map((line): [string, string] => {
      const [commit = '', name = ''] = line.split('\t');
      return [name, commit];
    }),
  );
  // An annotated tag is an object of its own; ^{} is the commit it stands for.
  const names = [`refs/tags/${ref}^{}`, `refs/tags/${ref}`, `refs/heads/${ref}`, `${ref}^{}`, ref];
  const found = names.map((name) => refs.get(name)).find((commit) => commit !== undefined);
  if (found !== undefined) return found;
  throw new ContextError(`${source.url} has no branch or tag ${ref}`, location);
}

/** Writes the files of a commit to a directory. @throws ContextError */
export async function checkOut(
  source: GitSource,
  commit: string,
  scratch: string,
  target: string,
  location: SourceLocation,
): Promise<void> {
  const work = join(scratch, 'git');
  mkdirSync(work);
  const run = (...args: string[]) => git(source, args, work, location);
  await run('init', '--quiet');
  await run('fetch', '--quiet', '--depth=1', source.url, commit);
  await run('-c', 'advice.detachedHead=false', 'checkout', '--quiet', 'FETCH_HEAD');
  const committed = Number(await run('log', '-1', '--format=%ct', 'FETCH_HEAD'));
  if (existsSync(join(work, '.gitmodules')))
    await run('submodule', 'update', '--quiet', '--init', '--recursive', '--depth=1');
  if (!source.keepGitDirectory) rmSync(join(work, '.git'), { recursive: true });
  const from = join(work, source.subdirectory);
  if (!existsSync(from)) {
    throw new ContextError(
      `${source.url} has no directory ${source.subdirectory} at ${commit}`,
      location,
    );
  }
  cpSync(from, target, { recursive: true, verbatimSymlinks: true });
  // git keeps no times of files: that of the commit is the same for everybody.
  stampTree(target, committed);
}
