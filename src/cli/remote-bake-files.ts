/** Bake files of repositories, archives and web servers. They are not trusted: none is opened by a plain path. */
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, posix } from 'node:path';
import type { DefinitionFile, OtherFiles } from '../bake/load-compose.js';
import type { RemotePlace } from '../bake/remote-definition.js';
import { openRunDirectory } from '../engine/run-directory.js';
import { readSmallFile } from '../fs/scan/local-context.js';
import { remoteAddress } from '../sources/context-source.js';
import type { Fetched } from '../sources/fetch-context.js';
import { fetchRemote } from '../sources/fetch-context.js';
import { UsageError } from '../util/errors.js';
import { withoutCredentials } from '../util/redact.js';
import { MOST_BYTES } from '../util/regular-file.js';
import { interruptibly } from './abort-on-signal.js';
import type { FoundFiles } from './bake-files.js';
import { BAKE_FILES, readBakeFiles } from './bake-files.js';
import { readLimits } from './config-file.js';

/** A definition that was fetched. */
export interface RemoteFiles extends FoundFiles {
  readonly place: RemotePlace | undefined;
  /** Removes what was fetched: nothing of it is read any more. */
  readonly close: () => void;
}

/** Reads below a directory that was fetched. @throws UsageError */
function reader(root: string, address: string) {
  const readIfThere = (name: string): DefinitionFile | undefined => {
    const path = posix.join('/', name).slice(1);
    const isOut = !posix.isAbsolute(name) && posix.normalize(name).startsWith('..');
    const found = isOut ? ({ kind: 'outside' } as const) : readSmallFile(root, path, MOST_BYTES);
    if (found.kind === 'missing') return undefined;
    const title = `${path} (${address})`;
    if (found.kind === 'text') return { name: path, text: found.text };
    throw new UsageError(
      `${title}: ${found.kind === 'outside' ? 'it leads out of the repository' : `it is ${found.kind}`}`,
    );
  };
  const read = (name: string): DefinitionFile => {
    const file = readIfThere(name);
    if (file) return file;
    throw new UsageError(`${name}: there is no such file in ${address}`);
  };
  return { read, readIfThere } satisfies OtherFiles;
}

function findFiles(
  { read, readIfThere }: OtherFiles,
  given: readonly string[] | undefined,
  address: string,
): DefinitionFile[] {
  if (given)
    return given.flatMap((name) => {
      const isLocal = name === '-' || name.startsWith('cwd://');
      return isLocal ? readBakeFiles([name.replace(/^cwd:\/\//, '')]) : [read(name)];
    });
  const found = BAKE_FILES.flatMap((name) => readIfThere(name) ?? []);
  if (found.length > 0) return found;
  throw new UsageError(`there is no bake file in ${address}`, { hint: 'name it with -f FILE' });
}

/** One file of a web server is a definition of its own, whose paths are those of this machine. */
function singleFile(
  fetched: Fetched & { readonly kind: 'file' },
  given: readonly string[] | undefined,
): DefinitionFile[] {
  const found = readSmallFile(dirname(fetched.path), basename(fetched.path), MOST_BYTES);
  if (found.kind !== 'text') throw new UsageError(`${fetched.name}: it is ${found.kind}`);
  return [{ name: fetched.name, text: found.text }, ...(given ? readBakeFiles(given) : [])];
}

/**
 * Fetches a definition.
 * @param given -f: files in there, or `cwd://FILE` of this machine
 * @param local reads other files of this machine
 * @throws UsageError, ContextError
 */
export async function readRemoteBakeFiles(
  address: string,
  given: readonly string[] | undefined,
  local: OtherFiles,
): Promise<RemoteFiles> {
  const remote = remoteAddress(address);
  const title = withoutCredentials(address);
  if (!remote) throw new UsageError(`${title}: that is no repository, and no file of a web server`);
  const directory = await openRunDirectory(tmpdir());
  const close = () => directory.remove();
  try {
    const scratch = join(directory.path, 'definition');
    mkdirSync(scratch, { mode: 0o700 });
    const limits = readLimits(process.env);
    const fetched = await interruptibly((signal) =>
      fetchRemote(remote, { scratch, limits, environment: process.env, signal }),
    );
    if (fetched.kind === 'file')
      return { files: singleFile(fetched, given), others: local, place: undefined, close };
    const others = reader(fetched.root, title);
    const kind = remote.source.type === 'git' ? 'git' : 'archive';
    return { files: findFiles(others, given, title), others, place: { address, kind }, close };
  } catch (error) {
    close();
    throw error;
  }
}
