/** Sources of ADD that are not in the build context: URLs and git repositories. */
import { posix } from 'node:path';
import type { SourceLocation } from '../errors.js';
import { DockerfileError } from '../errors.js';

/** A file on a web server. */
export interface HttpSource {
  readonly type: 'http';
  readonly url: string;
  /** Name of the file: the last component of the URL's path, `file` when it has none. */
  readonly name: string;
  /** `sha256:` and hex digits; undefined: not checked. */
  readonly checksum: string | undefined;
}

/** A directory of a git repository. */
export interface GitSource {
  readonly type: 'git';
  readonly url: string;
  /** Branch, tag or commit; undefined: the default branch. */
  readonly ref: string | undefined;
  /** Directory in the repository, '' for its root. */
  readonly subdirectory: string;
  readonly keepGitDirectory: boolean;
  /** Commit that the ref must lead to. */
  readonly checksum: string | undefined;
}

export type RemoteSource = HttpSource | GitSource;

/** What the flags of ADD say of a remote source. */
export interface RemoteFlags {
  readonly checksum: string | undefined;
  readonly keepGitDirectory: boolean;
}

/**
 * Is it a git repository (Dockerfile reference, "Adding files from a Git repository"): git:// and
 * ssh://, user@host:path, or a URL whose path ends in .git?
 */
function isGit(source: string): boolean {
  if (/^(git|ssh):\/\//.test(source) || /^[\w.-]+@[\w.-]+:/.test(source)) return true;
  return /^(https?|file):\/\/[^#?]+\.git(#.*)?$/.test(source);
}

function gitSource(source: string, flags: RemoteFlags): GitSource {
  const [url = '', fragment = ''] = source.split('#', 2);
  const [ref = '', subdirectory = ''] = fragment.split(':', 2);
  return {
    type: 'git',
    url,
    ref: ref === '' ? undefined : ref,
    subdirectory: posix.normalize(`/${subdirectory}`).slice(1).replace(/\/$/, ''),
    keepGitDirectory: flags.keepGitDirectory,
    checksum: flags.checksum,
  };
}

function httpSource(source: string, flags: RemoteFlags, location: SourceLocation): HttpSource {
  const url = URL.canParse(source) ? new URL(source) : undefined;
  if (!url) throw new DockerfileError(`${source} is not a URL`, location);
  // A wildcard in the name would be taken for one.
  const name = posix.basename(url.pathname).replace(/[*?[\]\\]/g, '_') || 'file';
  if (flags.checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(flags.checksum)) {
    throw new DockerfileError(`--checksum=${flags.checksum} is not a digest`, location, {
      hint: 'write sha256: and 64 hexadecimal digits',
    });
  }
  return { type: 'http', url: source, name, checksum: flags.checksum };
}

/** A source of ADD as a remote one; undefined when it is a path. @throws DockerfileError */
export function remoteSource(
  source: string,
  flags: RemoteFlags,
  location: SourceLocation,
): RemoteSource | undefined {
  if (isGit(source)) return gitSource(source, flags);
  return /^https?:\/\//.test(source) ? httpSource(source, flags, location) : undefined;
}
