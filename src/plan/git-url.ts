/**
 * Addresses of git repositories (Dockerfile reference, "Adding files from a Git repository"; Docker
 * documentation, build context, "URL fragments" and "URL queries"). Pure.
 */
import { posix } from 'node:path';
import type { SourceLocation } from '../util/errors.js';
import { DockerfileError } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import { suggest } from '../util/suggest.js';

/** User and password for a server. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** What an address says of a repository. */
export interface GitAddress {
  /** Without user and password (but `git@` of ssh), query and fragment. */
  readonly url: string;
  readonly credentials: Credentials | undefined;
  /** Branch, tag or commit; undefined: the default branch. */
  readonly ref: string | undefined;
  /** Directory in the repository, '' for its root. */
  readonly subdirectory: string;
  /** Digits that the commit must begin with. */
  readonly checksum: string | undefined;
  readonly keepGitDirectory: boolean | undefined;
  readonly submodules: boolean | undefined;
}

/** `user@host:path`; neither may look like an option of ssh. */
const SCP_STYLE = /^\w[\w.-]*@\w[\w.-]*:/;

/**
 * Is it a git repository: git:// and ssh://, user@host:path, or a URL whose path ends in .git?
 */
export function isGitAddress(source: string): boolean {
  if (/^(git|ssh):\/\//i.test(source) || SCP_STYLE.test(source)) return true;
  return /^(https?|file):\/\/[^#?]+\.git([?#].*)?$/i.test(source);
}

const QUERY = [
  'ref',
  'branch',
  'tag',
  'commit',
  'checksum',
  'subdir',
  'keep-git-dir',
  'submodules',
  // How BuildKit fetches and dates files: here it is always by commit, with the time of the commit.
  'fetch-by-commit',
  'mtime',
];

/** Names that stand for true when nothing follows. */
const SWITCHES = ['keep-git-dir', 'submodules', 'fetch-by-commit'];

function fail(source: string, problem: string, location: SourceLocation, hint?: string): never {
  throw new DockerfileError(`${withoutCredentials(source)}: ${problem}`, location, { hint });
}

/** User and password of a URL, and the URL without them. */
export function splitCredentials(url: URL): Credentials | undefined {
  const { username, password } = url;
  url.username = '';
  url.password = '';
  if (username === '' && password === '') return undefined;
  return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
}

interface Address {
  readonly url: string;
  readonly credentials: Credentials | undefined;
  readonly query: URLSearchParams;
  readonly fragment: string;
}

function takeApart(source: string, location: SourceLocation): Address {
  const [address = '', ...rest] = source.split('#');
  const fragment = rest.join('#');
  const none = new URLSearchParams();
  if (SCP_STYLE.test(source))
    return { url: address, credentials: undefined, query: none, fragment };
  if (!URL.canParse(address)) fail(source, 'this is not a URL', location);
  const url = new URL(address);
  const query = url.searchParams;
  const plain = new URL(address);
  plain.search = '';
  if (plain.protocol !== 'ssh:') {
    const credentials = splitCredentials(plain);
    return { url: plain.href, credentials, query, fragment };
  }
  // The user of ssh is no secret; a password means nothing to it.
  plain.password = '';
  if (/^-/.test(decodeURIComponent(plain.username)))
    fail(source, 'no user begins with -', location);
  return { url: plain.href, credentials: undefined, query, fragment };
}

function getBoolean(
  source: string,
  name: string,
  value: string,
  location: SourceLocation,
): boolean {
  if (/^(|1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  return fail(
    source,
    `${name}=${value} is not a boolean`,
    location,
    `write ${name}=true or ${name}=false`,
  );
}

/** Values of the query by name. */
function getQuery(source: string, query: URLSearchParams, location: SourceLocation) {
  const values = new Map<string, string>();
  for (const [name, value] of query) {
    if (!QUERY.includes(name)) {
      const near = suggest(name, QUERY);
      const hint = near === undefined ? `known are ${QUERY.join(', ')}` : `did you mean ${near}?`;
      fail(source, `there is no ${name} in the query of a repository`, location, hint);
    }
    if (values.has(name)) fail(source, `${name} is there twice`, location);
    if (value === '' && !SWITCHES.includes(name)) fail(source, `${name} has no value`, location);
    values.set(name, value);
  }
  return values;
}

/** The one value that several ways to say it agree on. */
function agree(
  source: string,
  what: string,
  values: readonly (string | undefined)[],
  location: SourceLocation,
): string | undefined {
  const given = [...new Set(values.filter((value) => value !== undefined && value !== ''))];
  if (given.length > 1) fail(source, `two values for ${what}: ${given.join(' and ')}`, location);
  return given[0];
}

function checkRef(source: string, ref: string | undefined, location: SourceLocation): void {
  // git-check-ref-format(1): no ref begins with - or holds any of these.
  if (ref === undefined || !/^-|[\s~^:?*[\\\p{Cc}]|\.\.|@\{/u.test(ref)) return;
  fail(source, `${ref} is not the name of a branch, tag or commit`, location);
}

/** @throws DockerfileError when it contradicts itself */
export function parseGitAddress(source: string, location: SourceLocation): GitAddress {
  const { url, credentials, query, fragment } = takeApart(source, location);
  const values = getQuery(source, query, location);
  const colon = fragment.indexOf(':');
  const ownRef = colon === -1 ? fragment : fragment.slice(0, colon);
  const ownDirectory = colon === -1 ? '' : fragment.slice(colon + 1);
  const full = (prefix: string, name: string | undefined) =>
    name === undefined || name.startsWith(prefix) ? name : `${prefix}${name}`;
  const tag = full('refs/tags/', values.get('tag'));
  const branch = full('refs/heads/', values.get('branch'));
  const checksum = agree(
    source,
    'commit',
    [values.get('commit'), values.get('checksum')],
    location,
  );
  const named = agree(source, 'ref', [ownRef, values.get('ref'), tag, branch], location);
  checkRef(source, named, location);
  const subdirectory =
    agree(source, 'subdir', [ownDirectory, values.get('subdir')], location) ?? '';
  const flag = (name: string) => {
    const value = values.get(name);
    return value === undefined ? undefined : getBoolean(source, name, value, location);
  };
  flag('fetch-by-commit');
  const mtime = values.get('mtime');
  if (mtime !== undefined && mtime !== 'commit' && mtime !== 'checkout')
    fail(source, `mtime=${mtime} is not known`, location, 'write mtime=commit or mtime=checkout');
  return {
    url,
    credentials,
    ref: named ?? checksum,
    subdirectory: posix.normalize(`/${subdirectory}`).slice(1).replace(/\/$/, ''),
    checksum,
    keepGitDirectory: flag('keep-git-dir'),
    submodules: flag('submodules'),
  };
}
