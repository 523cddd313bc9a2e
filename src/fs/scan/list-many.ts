/** Many directories at once, by wiac-sys: for a name that is only compared no string is made. */
import { constants } from 'node:fs';
import type { ListedDirectory } from '../../native/list-directories.js';
import { LISTED_OTHERS, listDirectories } from '../../native/list-directories.js';
import type { Names } from './names.js';
import { namesIn } from './names.js';
import type { DirectoryNumbers } from './stat-names.js';

/** What is in a directory. */
export interface NumberedNames {
  readonly named: Names;
  readonly numbers: DirectoryNumbers;
}

const { S_IFMT, S_IFDIR } = constants;

/** Directories of one request: its threads share the others. */
const AT_ONCE = 64;

function directoriesIn({ count, others }: ListedDirectory, named: Names): readonly string[] {
  const found: number[] = [];
  for (let index = 0; index < count; index += 1)
    if (((others[index * LISTED_OTHERS] as number) & S_IFMT) === S_IFDIR) found.push(index);
  if (found.length === 0) return [];
  const names = named.all();
  return found.map((index) => names[index] as string);
}

function numbered(listed: ListedDirectory): NumberedNames {
  const { fields, others } = listed;
  const named = namesIn(listed.names, listed.count);
  const directories = directoriesIn(listed, named);
  return { named, numbers: { fields, others, directories, gone: new Set() } };
}

/**
 * @param root trusted path
 * @param paths relative to it
 * @returns one for each path, undefined where there is no directory; undefined when something else is wrong
 * @throws IsolationError
 */
export async function listMany(
  root: string,
  paths: readonly string[],
): Promise<(NumberedNames | undefined)[] | undefined> {
  const requests: Promise<(ListedDirectory | undefined)[]>[] = [];
  for (let first = 0; first < paths.length; first += AT_ONCE)
    requests.push(listDirectories(root, paths.slice(first, first + AT_ONCE)));
  const ended = await Promise.allSettled(requests);
  const found: (NumberedNames | undefined)[] = [];
  for (const one of ended) {
    if (one.status === 'fulfilled') found.push(...one.value.map((each) => each && numbered(each)));
    else if ((one.reason as NodeJS.ErrnoException).syscall === undefined) throw one.reason;
    else return undefined;
  }
  return found;
}
