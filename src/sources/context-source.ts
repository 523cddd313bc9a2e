/**
 * What the command line calls a build context (Docker documentation, "Build context"; the values of
 * `docker build PATH|URL|-` and of --build-context). The addresses are those that ADD takes.
 */

import type { Remote } from '../plan/remote.js';
import { remoteSource } from '../plan/remote.js';
import { DockerfileError, UsageError } from '../util/errors.js';

/** Where the files of a build context come from. */
export type ContextSource =
  /** Standard input: an archive, or a Dockerfile without a context. */
  | { readonly kind: 'input' }
  /** A directory or an archive of this machine. */
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'remote'; readonly remote: Remote };

/** No location in a file: errors about it are errors of the command line. */
const COMMAND_LINE = { file: '', line: 1, column: 1, endLine: 1 };

/** `github.com/OWNER/NAME`, as docker takes it without a scheme. */
const GITHUB = /^(github\.com\/[^/#?]+\/[^/#?]+?)(?:\.git)?([#?].*)?$/;

/**
 * An address as ADD has it; undefined when the text is a path.
 * @param keepGitDirectory of a repository whose address does not say it itself
 * @throws UsageError for an address that contradicts itself
 */
export function remoteAddress(text: string, keepGitDirectory?: boolean): Remote | undefined {
  try {
    const address = text.replace(GITHUB, 'https://$1.git$2');
    const flags = { checksum: undefined, keepGitDirectory };
    return remoteSource(address, flags, COMMAND_LINE);
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    throw new UsageError(error.message, { hint: error.hint, cause: error });
  }
}

/**
 * Understands the name of a build context.
 * @param exists is there such a directory? It comes before an address that looks like its name
 * @param keepGitDirectory as above
 * @throws UsageError
 */
export function contextSource(
  text: string,
  exists: (path: string) => boolean,
  keepGitDirectory?: boolean,
): ContextSource {
  // A path that is empty would be this directory, with all that is in it: most often a variable is not set.
  if (text === '')
    throw new UsageError('the build context is an empty text', {
      hint: 'this directory is written .',
    });
  if (text === '-') return { kind: 'input' };
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) && exists(text)) return { kind: 'path', path: text };
  const remote = remoteAddress(text, keepGitDirectory);
  return remote ? { kind: 'remote', remote } : { kind: 'path', path: text };
}
