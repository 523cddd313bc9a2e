/**
 * Definitions that are not on this machine: paths of their targets are paths of the repository that they are
 * from. What is said of this machine has `cwd://` before it, or is no context. Pure.
 */
import { posix } from 'node:path';
import { UsageError } from '../util/errors.js';
import type { BakeTarget } from './bake-target.js';
import { isLocalPath } from './local-paths.js';
import type { Selection } from './resolve-targets.js';

/** Where a definition came from, as the command line has it. */
export interface RemotePlace {
  readonly address: string;
  /** Of an archive no directory can be named. */
  readonly kind: 'git' | 'archive';
}

/** Is it an address, and not the name of a target? */
export function isRemoteDefinition(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/|^\w[\w.-]*@\w[\w.-]*:|^github\.com\/[^/]+\/[^/]/i.test(text);
}

/** An address in its parts: what is before the directory in it, and that directory. */
function splitDirectory(address: string): { before: string; directory: string } {
  const hash = address.indexOf('#');
  const url = hash === -1 ? address : address.slice(0, hash);
  const fragment = hash === -1 ? '' : address.slice(hash + 1);
  const [ref = '', ...rest] = fragment.split(':');
  const [path = '', query = ''] = url.split('?', 2);
  const parameters = query.split('&').filter(Boolean);
  const own = parameters.find((each) => each.startsWith('subdir='));
  const kept = parameters.filter((each) => each !== own);
  const directory =
    own === undefined ? rest.join(':') : decodeURIComponent(own.slice('subdir='.length));
  return { before: `${path}${kept.length > 0 ? `?${kept.join('&')}` : ''}#${ref}`, directory };
}

/** The address of a directory that is meant from where a definition is. @throws UsageError */
function addressOf(path: string, { address, kind }: RemotePlace): string {
  if (posix.normalize(path) === '.') return address;
  if (kind === 'archive')
    throw new UsageError(`${path}: a directory of an archive can be no context`, {
      hint: 'take a repository, or the archive as a whole: context = "."',
    });
  const { before, directory } = splitDirectory(address);
  const whole = posix.join('/', directory, path);
  if (posix.join(directory, path).startsWith('..'))
    throw new UsageError(`${path} leads out of the repository`, {
      hint: 'cwd:// before a path makes it one of this machine',
    });
  return `${before}:${whole.slice(1)}`;
}

function moved(value: string, place: RemotePlace): string {
  return isLocalPath(value) ? addressOf(value, place) : value;
}

function movedTarget(target: BakeTarget, place: RemotePlace): BakeTarget {
  const { context = '.', contexts } = target.fields;
  const named = [...(contexts ?? [])].map(([name, value]): [string, string | null] => [
    name,
    value && moved(value, place),
  ]);
  return {
    ...target,
    fields: {
      ...target.fields,
      context: moved(context, place),
      ...(contexts ? { contexts: new Map(named) } : {}),
    },
  };
}

/** The targets, with contexts where their definition came from. @throws UsageError */
export function remoteSelection(selection: Selection, place: RemotePlace | undefined): Selection {
  if (!place) return selection;
  return { ...selection, targets: selection.targets.map((target) => movedTarget(target, place)) };
}
