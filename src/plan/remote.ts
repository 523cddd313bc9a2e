/** Sources of ADD that are not in the build context: URLs and git repositories. */
import { posix } from 'node:path';
import type { SourceLocation } from '../util/errors.js';
import { DockerfileError } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import type { Credentials } from './git-url.js';
import { isGitAddress, parseGitAddress, splitCredentials } from './git-url.js';

/** A file on a web server. */
export interface HttpSource {
  readonly type: 'http';
  /** Without user and password. */
  readonly url: string;
  /** Name of the file: the last component of the URL's path, `__unnamed__` when it has none. */
  readonly name: string;
  /** `sha256:` and hex digits; undefined: not checked. */
  readonly checksum: string | undefined;
}

/** A directory of a git repository. */
export interface GitSource {
  readonly type: 'git';
  /** Without user and password. */
  readonly url: string;
  /** Branch, tag or commit; undefined: the default branch. */
  readonly ref: string | undefined;
  /** Directory in the repository, '' for its root. */
  readonly subdirectory: string;
  readonly keepGitDirectory: boolean;
  /** False: the directories of submodules stay empty. */
  readonly submodules: boolean;
  /** Digits that the commit, or the tag's object, begins with. */
  readonly checksum: string | undefined;
}

export type RemoteSource = HttpSource | GitSource;

/** A source, and the credentials for its server. They are kept apart, so that no plan or key contains them. */
export interface Remote {
  readonly source: RemoteSource;
  readonly credentials: Credentials | undefined;
}

/** What the flags of ADD say of a remote source. */
export interface RemoteFlags {
  readonly checksum: string | undefined;
  /** Undefined: the flag is not there. */
  readonly keepGitDirectory: boolean | undefined;
}

function gitSource(text: string, flags: RemoteFlags, location: SourceLocation): Remote {
  const { credentials, ...address } = parseGitAddress(text, location);
  const contradicts = (flag: unknown, own: unknown) =>
    flag !== undefined && own !== undefined && flag !== own;
  if (contradicts(flags.checksum, address.checksum)) {
    throw new DockerfileError(
      `--checksum=${flags.checksum} is not the one of the URL, ${address.checksum}`,
      location,
    );
  }
  if (contradicts(flags.keepGitDirectory, address.keepGitDirectory)) {
    throw new DockerfileError('--keep-git-dir and the URL contradict each other', location);
  }
  const checksum = (flags.checksum ?? address.checksum)?.toLowerCase();
  if (checksum !== undefined && !/^[0-9a-f]{7,64}$/.test(checksum)) {
    throw new DockerfileError(`${checksum} is not the digest of a commit`, location, {
      hint: 'write its hexadecimal digits, 7 at least',
    });
  }
  const source: GitSource = {
    type: 'git',
    ...address,
    checksum,
    keepGitDirectory: flags.keepGitDirectory ?? address.keepGitDirectory ?? false,
    submodules: address.submodules ?? true,
  };
  return { source, credentials };
}

/** The name that a file of this URL gets, as BuildKit gives it. */
function getName(url: URL, location: SourceLocation): string {
  let path = url.pathname;
  try {
    path = decodeURIComponent(path);
  } catch {
    // Not percent-encoded after all.
  }
  const name = posix.basename(path);
  if (['', '.', '..'].includes(name)) return '__unnamed__';
  if (name.includes('\0') || Buffer.byteLength(name) > 255) {
    throw new DockerfileError('the URL does not end in a file name', location);
  }
  return name;
}

function httpSource(text: string, flags: RemoteFlags, location: SourceLocation): Remote {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) throw new DockerfileError(`${withoutCredentials(text)} is not a URL`, location);
  const credentials = splitCredentials(url);
  if (flags.checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(flags.checksum)) {
    throw new DockerfileError(`--checksum=${flags.checksum} is not a digest`, location, {
      hint: 'write sha256: and 64 hexadecimal digits',
    });
  }
  const name = getName(url, location);
  const plain = credentials === undefined ? text : url.href;
  return { source: { type: 'http', url: plain, name, checksum: flags.checksum }, credentials };
}

/** A source of ADD as a remote one; undefined when it is a path. @throws DockerfileError */
export function remoteSource(
  source: string,
  flags: RemoteFlags,
  location: SourceLocation,
): Remote | undefined {
  if (isGitAddress(source)) return gitSource(source, flags, location);
  return /^https?:\/\//i.test(source) ? httpSource(source, flags, location) : undefined;
}

/** The commit in what a key says of the content of a repository, which may name a ref behind it. */
export function commitOf(content: string): string {
  return content.replace(/ .*/s, '');
}

/** The path of a remote source in the layer that fetching it makes, as COPY takes it. */
export function remotePath(source: RemoteSource): string {
  // A wildcard in the name would be taken for one.
  return source.type === 'http' ? source.name.replace(/[*?[\]\\]/g, '\\$&') : '/';
}
